"""Time brought along from elsewhere: a reader for each source, and one writer for them all."""
