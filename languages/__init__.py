"""What people read: a folder a language, texts only (docs/adr/0044). chassis.languages finds them."""
