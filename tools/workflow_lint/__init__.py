"""The workflows of .github: their language by actionlint, their security by zizmor."""
