"""The `transfer` model: a video restyled, its structure kept by control videos (NVIDIA Cosmos-Transfer)."""
