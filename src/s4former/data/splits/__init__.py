"""Split lists: which images are labeled, unlabeled or held out; read, made, fetched and checked."""
