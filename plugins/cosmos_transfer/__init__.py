"""The `transfer` model: a video made anew, its structure held by control videos (NVIDIA Cosmos-Transfer)."""
