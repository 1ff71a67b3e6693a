"""The dialogs for import and export."""
