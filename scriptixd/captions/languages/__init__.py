"""Words by what they do in a sentence, a small text file a language: data that a translator can edit."""
