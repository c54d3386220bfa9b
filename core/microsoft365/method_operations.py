"""The acts in Entra's audit log that give an account a way to sign in, or ask less of it: data.

Names are those of Microsoft Learn, "Microsoft Entra audit log categories and activities"; those
without a public record are inferred.
"""

from collections.abc import Mapping

GIVEN_METHODS: Mapping[str, str] = {
    "User registered security info": "a sign-in method",
    "Admin registered security info": "a sign-in method",
    "Admin updated security info": "a changed sign-in method",
    "Add FIDO2 security key": "a security key",
    "Add Passkey (device-bound) security key": "a passkey",
    "Add Windows Hello for Business credential": "a Windows Hello credential",
    "Create application password for user": "a password for apps, which asks for no second factor",
    "Admin updated temporary access pass": "a temporary access pass",
    "Admin registered temporary access pass method for user": "a temporary access pass",
}
"""What adds a way to sign in to an account, with what it adds."""
WEAKENED_SIGN_INS: Mapping[str, str] = {
    "Disable Strong Authentication": "is no longer asked for a second factor of its own",
}
PASSWORD_ACTS = (
    "Reset user password",
    "Reset password (by admin)",
    "Reset password (self-service)",
    "Change user password",
    "Change password (self-service)",
)
"""What sets a password: somebody else's, a forgotten one, one's own."""
