// Runs the reading code of HOT-Step's Training Studio, unmodified, on a folder: `tsx hot_step.mts SOURCE FOLDER` prints
// what it would train on, and the dataset.json that it would build, as one JSON object.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [source, folder] = process.argv.slice(2);
const load = (name: string) =>
  import(pathToFileURL(path.join(source, 'server/src/services/training', `${name}.ts`)).href);
const { buildSamples } = await load('datasetScan');
const { buildDataset, readDatasetJsonMetadata } = await load('datasetBuilder');
const { buildPreprocessManifest } = await load('preprocessManifest');
const owned = readDatasetJsonMetadata(folder);
const dataset = {
  id: 'x', slug: 'x', name: 'x', sourceDir: folder, recursive: true, datasetJsonPath: '',
  customTag: owned.custom_tag ?? '', tagPosition: owned.tag_position ?? 'prepend', genreRatio: owned.genre_ratio ?? 30,
  defaultArtist: '', defaultAlbum: '', defaultGenre: '', defaultLanguage: '',
};
const warnings: string[] = [];
const samples = await buildSamples(dataset, { withDuration: true, warnings });
const place = path.join(os.tmpdir(), `built-${process.pid}.json`);
await buildDataset(dataset, samples, place);
const built = JSON.parse(fs.readFileSync(place, 'utf-8'));
fs.unlinkSync(place);
const rows = buildPreprocessManifest(dataset, samples, built).samples;
console.log('\n' + JSON.stringify({ warnings, rows, built: built.samples }));
