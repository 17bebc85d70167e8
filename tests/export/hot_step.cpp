// Runs the reader of HOT-Step's `ace-train preprocess --dataset`, unmodified: one line per song, fields between tabs.
#include "train/preprocess-io.h"

int main(int argc, char ** argv) {
    PManifest   found;
    std::string error;
    if (argc < 2 || !pm_load_dataset_json(argv[1], found, error)) {
        fprintf(stderr, "%s\n", error.c_str());
        return 1;
    }
    for (const PSample & song : found.samples) {
        const std::string tag = song.custom_tag.empty() ? found.custom_tag : song.custom_tag;
        printf("%s\t%lld\t%s\t%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", song.id.c_str(), song.src_bytes, song.caption.c_str(),
               song.bpm, song.keyscale.c_str(), pm_timesig_numerator(song.timesignature).c_str(), song.duration,
               song.language.c_str(), song.is_instrumental, tag.c_str(), song.lyrics.c_str());
    }
    return 0;
}
