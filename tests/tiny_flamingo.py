"""Music Flamingo in its official file formats, tiny and with weights made here: for llama.cpp and for Transformers.

The sizes that determine the number of audio tokens are those of the real model. With ``fixed_answer``, the model
always answers ``SENTENCE``: its layers add nothing, and the output matrix maps each token to the next one. Without it,
the weights are random, and the model writes the same meaningless text each time.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

SENTENCE = "Warm pads drift over slow drums in a calm dark mood."
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>", "<|sound_bos|>", "<|sound_eos|>")
_START, _END = "\n", "<|im_end|>"
#: As in the published checkpoints: the audio precedes the text of its turn.
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou listen.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] if c['type'] == 'audio' %}<sound>{% endfor %}"
    "{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HIDDEN, LAYERS, HEADS, KV_HEADS, FEED = 64, 2, 4, 2, 128
_SCALE = 4.0


def byte_characters() -> list[str]:
    """The 256 characters that represent bytes in a byte-level BPE, as in GPT-2."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(rest)) for byte in range(256)]


def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens and merges: all bytes, and each word of the sentence as one token."""
    letters = byte_characters()
    tokens, merges = list(letters), []
    for word in ["Warm", *(f" {word}" for word in SENTENCE[:-1].split()[1:])]:
        characters = [letters[byte] for byte in word.encode()]
        so_far = characters[0]
        for character in characters[1:]:
            if so_far + character not in tokens:
                tokens.append(so_far + character)
                merges.append((so_far, character))
            so_far += character
    vocab = {token: i for i, token in enumerate(tokens)}
    return vocab | {token: len(tokens) + i for i, token in enumerate(SPECIALS)}, merges


def answer_tokens() -> list[int]:
    """The tokens of an answer, from the line break before it to its end."""
    vocab, _ = vocabulary()
    letters = byte_characters()
    words = [_START, "Warm", *(f" {word}" for word in SENTENCE[:-1].split()[1:]), "."]
    return [*(vocab["".join(letters[byte] for byte in word.encode())] for word in words), vocab[_END]]


def embeddings(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Input and output matrix of a model with a fixed answer, shape=(tokens, hidden) each."""
    vocab, _ = vocabulary()
    table = rng.standard_normal((len(vocab), HIDDEN)).astype(np.float32)
    head = 0.01 * rng.standard_normal((len(vocab), HIDDEN)).astype(np.float32)
    tokens = answer_tokens()
    assert len(set(tokens)) == len(tokens), "each token has one successor"
    for token, following in itertools.pairwise(tokens):
        head[following] += _SCALE * table[token] / np.linalg.norm(table[token])
    return table, head


def write_gguf(folder: Path, *, fixed_answer: bool = True, seed: int = 0) -> Path:
    """Write ``model.gguf`` and ``mmproj.gguf``; return the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    _write_text(folder / "model.gguf", rng, fixed_answer)
    _write_encoder(folder / "mmproj.gguf", rng)
    return folder / "model.gguf"


def _write_text(path: Path, rng: np.random.Generator, fixed_answer: bool) -> None:
    import gguf

    vocab, merges = vocabulary()
    writer = gguf.GGUFWriter(str(path), "qwen2")
    writer.add_name("tiny")
    writer.add_context_length(40960)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(list(vocab))
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    writer.add_token_types([kinds[token in SPECIALS] for token in vocab])
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_eos_token_id(vocab[_END])
    writer.add_pad_token_id(vocab["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )

    def tensor(name: str, *shape: int, scale: float = 0.05) -> None:
        writer.add_tensor(name, (scale * rng.standard_normal(shape)).astype(np.float32))

    table, head = embeddings(rng)
    if not fixed_answer:
        head = (0.2 * rng.standard_normal(head.shape)).astype(np.float32)
    writer.add_tensor("token_embd.weight", table)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    writer.add_tensor("output.weight", head)
    output_scale = 0.0 if fixed_answer else 0.05
    for i in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{norm}.weight", np.ones(HIDDEN, np.float32))
        for part, size in (("q", HIDDEN), ("k", HIDDEN // HEADS * KV_HEADS), ("v", HIDDEN // HEADS * KV_HEADS)):
            tensor(f"blk.{i}.attn_{part}.weight", size, HIDDEN)
            tensor(f"blk.{i}.attn_{part}.bias", size)
        tensor(f"blk.{i}.attn_output.weight", HIDDEN, HIDDEN, scale=output_scale)
        tensor(f"blk.{i}.ffn_gate.weight", FEED, HIDDEN)
        tensor(f"blk.{i}.ffn_up.weight", FEED, HIDDEN)
        tensor(f"blk.{i}.ffn_down.weight", HIDDEN, FEED, scale=output_scale)
    _finish(writer)


def _write_encoder(path: Path, rng: np.random.Generator) -> None:
    import gguf

    hidden, layers, feed = 64, 2, 128
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_audio_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.MUSIC_FLAMINGO)
    writer.add_audio_projection_dim(HIDDEN)
    writer.add_audio_embedding_length(hidden)
    writer.add_audio_feed_forward_length(feed)
    writer.add_audio_block_count(layers)
    writer.add_audio_head_count(4)
    writer.add_audio_num_mel_bins(128)
    writer.add_audio_attention_layernorm_eps(1e-5)

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, (0.05 * rng.standard_normal(shape)).astype(np.float32))

    tensor("a.position_embd.weight", 1500, hidden)
    for i, channels in ((1, 128), (2, hidden)):
        tensor(f"a.conv1d.{i}.weight", hidden, channels, 3)
        tensor(f"a.conv1d.{i}.bias", hidden, 1)
    for kind in ("weight", "bias"):
        tensor(f"a.post_ln.{kind}", hidden)
    for i in range(layers):
        for norm in ("ln1", "ln2"):
            writer.add_tensor(f"a.blk.{i}.{norm}.weight", np.ones(hidden, np.float32))
            tensor(f"a.blk.{i}.{norm}.bias", hidden)
        for part, rows, columns in (
            ("attn_q", hidden, hidden),
            ("attn_v", hidden, hidden),
            ("attn_out", hidden, hidden),
            ("ffn_up", feed, hidden),
            ("ffn_down", hidden, feed),
        ):
            tensor(f"a.blk.{i}.{part}.weight", rows, columns)
            tensor(f"a.blk.{i}.{part}.bias", rows)
        tensor(f"a.blk.{i}.attn_k.weight", hidden, hidden)
    for i, columns in ((1, hidden), (2, HIDDEN)):
        tensor(f"mm.a.mlp.{i}.weight", HIDDEN, columns)
        tensor(f"mm.a.mlp.{i}.bias", HIDDEN)
    _finish(writer)


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_checkpoint(folder: Path, architecture: str, *, fixed_answer: bool = True, size: int = 1) -> Path:
    """Write a folder of Transformers: architecture ``MusicFlamingo`` or ``AudioFlamingo3``; ``size`` widens it."""
    import torch
    import transformers as tf

    vocab, merges = vocabulary()
    plain = {token: i for token, i in vocab.items() if token not in SPECIALS}
    tokenizer = tf.Qwen2Tokenizer(
        vocab=plain, merges=merges, unk_token=None, bos_token=None, eos_token=_END, pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIALS)})
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIALS}
    audio = tf.AudioFlamingo3EncoderConfig(
        num_mel_bins=128,
        hidden_size=HIDDEN * size,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=FEED * size,
        max_source_positions=1500,
    )
    text = tf.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN * size,
        num_hidden_layers=LAYERS * size,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        intermediate_size=FEED * size,
        max_position_embeddings=40960,
        bos_token_id=None,
        eos_token_id=ids[_END],
        pad_token_id=ids["<|endoftext|>"],
        tie_word_embeddings=False,
    )
    marks = {"audio_token_id": ids["<sound>"]}
    if architecture == "MusicFlamingo":
        marks |= {"audio_bos_token_id": ids["<|sound_bos|>"], "audio_eos_token_id": ids["<|sound_eos|>"]}
    torch.manual_seed(0)
    config = getattr(tf, f"{architecture}Config")(audio_config=audio, text_config=text, **marks)
    network = getattr(tf, f"{architecture}ForConditionalGeneration")(config)
    if fixed_answer:
        _set_fixed_answer(network, ids)
    else:  # with the initial matrices, every prompt would get the same answer
        with torch.no_grad():
            for name, weights in network.named_parameters():
                if weights.ndim > 1:
                    weights.mul_(20.0 if "embed_tokens" in name else 12.0)
    network.generation_config = tf.GenerationConfig(eos_token_id=ids[_END], pad_token_id=ids["<|endoftext|>"])
    network.save_pretrained(folder)
    extractor = tf.WhisperFeatureExtractor(feature_size=128, return_attention_mask=True)
    getattr(tf, f"{architecture}Processor")(extractor, tokenizer, chat_template=TEMPLATE).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["architectures"] == [type(network).__name__]
    return folder


def _set_fixed_answer(network: Any, ids: dict[str, int]) -> None:
    import torch

    vocab, _ = vocabulary()
    table, head = embeddings(np.random.default_rng(0))
    where = list(range(len(table)))
    for token, i in ids.items():  # a tokenizer orders them differently
        where[i] = vocab[token]
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if "language_model" in name and name.endswith(("o_proj.weight", "down_proj.weight")):
                weights.zero_()
        network.get_input_embeddings().weight[:] = torch.from_numpy(table[where])
        network.get_output_embeddings().weight[:] = torch.from_numpy(head[where])
