"""Stand-in for torchaudio.prototype in tests."""
