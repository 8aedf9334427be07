"""The words that names of secrets are made of, in lower case and without what stands between them.

before: db_passphrase=hunter
after:  db_passphrase=[REDACTED]
"""

from typing import Final

from flujo_otel.semconv import flujo, xray


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRONG: Final = _words_of("""
    password passwords passwort motdepasse passwd passphrase passcode pwd userpass
    dbpass smtppass mailpass adminpass rootpass
    apikey apikeys apisecret apipassword
    accesskey accesskeyid secretkey secretkeys secretaccesskey privatekey privatekeys signingkey
    encryptionkey decryptionkey masterkey accountkey sharedkey sharedaccesskey sshkey authkey appkey
    consumerkey subscriptionkey servicekey servicerolekey adminkey deploykey licensekey sessionkey
    clientsecret appsecret consumersecret signingsecret webhooksecret sharedsecret tokensecret
    accesstoken accesstokens refreshtoken refreshtokens authtoken authtokens apitoken apitokens
    idtoken bearertoken sessiontoken securitytoken clienttoken usertoken bottoken
    personalaccesstoken deploytoken csrftoken xsrftoken xcsrftoken csrfmiddlewaretoken
    authorization proxyauthorization basicauth httpauth proxyauth
    setcookie sessioncookie authcookie cookiejar phpsessid jsessionid netsessionid connectsid
    connectionstring connectionstrings connstring connstr
    cardnumber creditcard creditcardnumber debitcardnumber ccnumber cardno cvv cvc cvv2 cvc2
    cardsecuritycode cardpin onetimepassword totpsecret recoverycodes
    amzsignature amzcredential
    """)
WEAK: Final = _words_of("token secret secrets auth cookie cookies bearer jwt")
FAINT: Final = _words_of("credential credentials creds otp otpcode mfacode totp")
FAINT_WORDS: Final = _words_of("sessionid")
"""In one word, as frameworks call their cookies; `session.id` and `session_id` say in which
conversation something was, and are looked for."""
BESIDE: Final = frozenset({"value", "Value", "VALUE", "values", "Values"})
GLUED: Final = (
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "secretkey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "clientsecret",
)
"""Endings of words that were written without a boundary: `dbpassword`."""
NO_SECRET_TOKEN: Final = _words_of("""
    page next pad eos bos unk sep cls mask special stop start end max min first last per each total
    input output prompt completion reasoning cached cache continuation cancellation cancel this
    previous prev current other some any every no image audio text word sub new special single a the
    """)
"""`next_page_token`, `pad_token`, `time_to_first_token`, `cost_per_token` hold no secret."""
TRAILING: Final = _words_of(
    "value header hash confirmation confirm raw plain plaintext encrypted new old again repeat"
)
"""Words after the name of a secret that leave it one: `token_value`, `password_hash`."""

STEMS: Final = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cookie",
    "cred",
    "card",
    "ccn",
    "cc_n",
    "cc-n",
    "cv",
    "conn",
    "sessid",
    "sessionid",
    "otp",
    "mfa",
    "codes",
    "jwt",
    "bearer",
    "amz",
)
"""One of these is in each name of a secret, in lower case: what text is searched for, each of them
0.6 us a KB. Not `cc` nor `recover`, which many texts have (success, recovered), and which cost as
much as ten then."""
IDS: Final = frozenset({flujo.RUN_ID, flujo.NESTED_RUN_ID, flujo.STEP_ID, xray.STEP_ID})
