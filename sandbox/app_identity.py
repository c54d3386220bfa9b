"""The ids by which the simulated tenant knows the app that guards it."""

CLIENT_ID = "a99a11ce-0000-4000-8000-00000000a44d"
APP_PRINCIPAL_ID = "a99a11ce-0000-4000-8000-00000000a44e"
APP_NAME = "Exoguard"
