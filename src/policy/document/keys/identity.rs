//! Who calls: `[[issuers]]`, `[[api_keys]]`, `[[webhooks]]`, `[[client_certificates]]` and
//! `[development]`.

use super::super::credentials::TOLERANCE_SECONDS;
use super::super::issuers::{LEEWAY_SECONDS, MAX_LIFETIME_SECONDS};
use super::grammars::{
    ANYTHING, CLAIM, EXACT_PATH, FILE, HEADER, MACHINE_MARKS, NAME, ROLE, ROUTE_PATTERN, SCOPE,
    SECRET, SHA256, SOMETHING, TENANT, URL, USER,
};
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{Grammar, Key, Rule, Shape, Table};

/// `[[issuers]]`.
pub(crate) static ISSUER: Table = Table {
    name: "issuer",
    says: "Whose JSON Web Tokens are believed, and how they are read.",
    keys: &[
        Key::new("name", Shape::Text(NAME), "Its name in records and metrics.").required(),
        Key::new(
            "issuer",
            Shape::Text(SOMETHING),
            "Has to equal the claim `iss`, byte for byte.",
        )
        .required()
        .examples(&[Text("https://idp.example.com")]),
        Key::new(
            "audiences",
            Shape::Some(&Shape::Text(SOMETHING)),
            "The claim `aud` has to hold one of them: a token for another service is no token.",
        )
        .required()
        .examples(&[Texts(&["https://agents.example.com"])]),
        Key::new(
            "jwks_url",
            Shape::Text(URL),
            "Where its keys are fetched (a JWK set, RFC 7517): https, or http on loopback. They are kept \
             for a day while it can't be reached.",
        ),
        Key::new(
            "jwks_file",
            Shape::Text(Grammar { what: "file", ..SOMETHING }),
            "A file with its keys, a JWK set. A relative path begins at the policy folder.",
        ),
        Key::new(
            "discovery",
            Shape::Flag,
            "Its keys are where `<issuer>/.well-known/openid-configuration` says. `issuer` has to be \
             an https URL then, or http on loopback.",
        )
        .default(Flag(false)),
        Key::new(
            "algorithms",
            Shape::Some(&Shape::Choice(&[
                ("RS256", "RSA, PKCS #1 v1.5."),
                ("RS384", "RSA, PKCS #1 v1.5."),
                ("RS512", "RSA, PKCS #1 v1.5."),
                ("PS256", "RSA-PSS."),
                ("PS384", "RSA-PSS."),
                ("PS512", "RSA-PSS."),
                ("ES256", "ECDSA on P-256."),
                ("ES384", "ECDSA on P-384."),
                ("EdDSA", "Ed25519."),
            ])),
            "Signatures that are taken. A token doesn't get to choose: what is not listed is refused. \
             Never a shared secret.",
        )
        .default(Texts(&["RS256", "ES256", "EdDSA"])),
        Key::new(
            "leeway_seconds",
            Shape::Integer(0, 600),
            "Clock difference that is forgiven for `exp`, `nbf` and `iat`.",
        )
        .default(Integer(LEEWAY_SECONDS)),
        Key::new(
            "token_types",
            Shape::Some(&Shape::Text(SOMETHING)),
            "Values of the header `typ` that are taken, without regard to case and to `application/`. One \
             typed `at+jwt` has to hold all that RFC 9068 asks for.",
        )
        .default(Texts(&["at+jwt", "JWT"])),
        Key::new(
            "typ_required",
            Shape::Flag,
            "Whether a token without `typ` is refused.",
        )
        .default(Flag(false)),
        Key::new(
            "max_lifetime_seconds",
            Shape::Integer(60, 31_622_400),
            "Longest `exp - iat` that is believed.",
        )
        .default(Integer(MAX_LIFETIME_SECONDS)),
        Key::new(
            "principal",
            Shape::Choice(&[
                ("user", "People, or programs that act in their name."),
                ("machine", "Programs of their own."),
            ]),
            "What its tokens stand for, as records say it.",
        )
        .default(Text("user")),
        Key::new(
            "claims",
            Shape::Table(&CLAIMS),
            "Where user, tenant, roles and scopes are in a token.",
        )
        .otherwise("the defaults of its keys"),
        Key::new(
            "machine",
            Shape::Table(&MACHINE),
            "How tokens of machines are told from those of people, and what has to come with one.",
        ),
    ],
    rules: &[Rule::ExactlyOne(&[
        &["jwks_url"],
        &["jwks_file"],
        &["discovery"],
    ])],
    ..Table::EMPTY
};

static CLAIMS: Table = Table {
    name: "issuer.claims",
    says: "Where things are in a token: the name of a claim taken literally \
           (`\"https://example.com/tenant\"`), or a JSON pointer (RFC 6901) where it begins with `/`.",
    keys: &[
        Key::new("user", Shape::Text(CLAIM), "The user.").default(Text("sub")),
        Key::new(
            "tenant",
            Shape::Text(CLAIM),
            "The tenant. A token without one is refused.",
        )
        .default(Text("tid")),
        Key::new(
            "roles",
            Shape::Text(CLAIM),
            "The roles: an array of texts, a text, or a text of words.",
        )
        .default(Text("roles")),
        Key::new(
            "scopes",
            Shape::Text(CLAIM),
            "The scopes: an array of texts, a text, or a text of words (RFC 8693 section 4.2).",
        )
        .default(Text("scope")),
    ],
    ..Table::EMPTY
};

static MACHINE: Table = Table {
    name: "issuer.machine",
    says: "Tokens of machines that act for users: such a request has to name the tenant of its token and \
           the user it acts for in headers of its own.",
    keys: &[
        Key::new(
            "when",
            Shape::Text(MACHINE_MARKS),
            "By what one is told: a claim that is there (`gty`), an ending of `sub` that begins with `@` \
             (`@clients`), or either, joined by `|`.",
        )
        .required(),
        Key::new(
            "tenant_header",
            Shape::Text(HEADER),
            "The header that names the tenant. It has to be the token's.",
        )
        .required()
        .examples(&[Text("snc-tenant")]),
        Key::new(
            "user_header",
            Shape::Text(HEADER),
            "The header that names the acting user.",
        )
        .required()
        .examples(&[Text("snc-userid")]),
        Key::new(
            "required_scope",
            Shape::Text(SCOPE),
            "A scope that a machine's token has to have.",
        ),
    ],
    ..Table::EMPTY
};

const HOLDER_TENANT: Key = Key::new(
    "tenant",
    Shape::Text(TENANT),
    "The tenant it stands for, in the grammar of `[tenancy] id_pattern`.",
)
.required();

const HOLDER_USER: Key = Key::new(
    "user",
    Shape::Text(USER),
    "The user it stands for: up to 255 visible ASCII characters, with blanks inside.",
)
.required();

const HOLDER_ROLES: Key = Key::new(
    "roles",
    Shape::List(&Shape::Text(ROLE)),
    "The roles of who presents it.",
);

const HOLDER_SCOPES: Key = Key::new(
    "scopes",
    Shape::List(&Shape::Text(SCOPE)),
    "The scopes of who presents it (RFC 6749 section 3.3).",
);

/// `[[api_keys]]`.
pub(super) static API_KEY: Table = Table {
    name: "api_key",
    says: "A key that goes into `X-Api-Key` or stands as a bearer.",
    keys: &[
        Key::new("name", Shape::Text(NAME), "Its name in records.").required(),
        Key::new(
            "sha256",
            Shape::Text(SHA256),
            "SHA-256 of the key. `fabric-gate key new` prints the key, once, and this entry.",
        )
        .required(),
        HOLDER_TENANT,
        HOLDER_USER,
        HOLDER_ROLES,
        HOLDER_SCOPES,
        Key::new(
            "expires_at",
            Shape::Timestamp,
            "When it is refused from (`api_key_expired`): a date and time with its offset, without quotes.",
        )
        .otherwise("never"),
        Key::new(
            "routes",
            Shape::Some(&Shape::Text(ROUTE_PATTERN)),
            "The routes it may reach.",
        )
        .otherwise("every route"),
    ],
    ..Table::EMPTY
};

/// `[[webhooks]]`.
pub(super) static WEBHOOK: Table = Table {
    name: "webhook",
    says: "Deliveries that their sender signs. A delivery is taken once; one that the backend failed to \
           take may come again.",
    keys: &[
        Key::new("name", Shape::Text(NAME), "Its name in records.").required(),
        Key::new(
            "path",
            Shape::Text(EXACT_PATH),
            "The exact path of its deliveries, without query. A route has to lead there.",
        )
        .required(),
        Key::new(
            "scheme",
            Shape::Choice(&[
                (
                    "standard",
                    "Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.",
                ),
                ("github", "GitHub's `X-Hub-Signature-256`."),
                ("stripe", "Stripe's `Stripe-Signature`."),
                ("slack", "Slack's `X-Slack-Signature`."),
            ]),
            "How it is signed.",
        )
        .required(),
        Key::new(
            "secret",
            Shape::Text(SECRET),
            "Where the secret of the signature is. A relative file begins at the policy folder.",
        )
        .required(),
        HOLDER_TENANT,
        HOLDER_USER,
        HOLDER_ROLES,
        Key::new(
            "tolerance_seconds",
            Shape::Integer(1, 86_400),
            "How far the signed time may be off, either way.",
        )
        .default(Integer(TOLERANCE_SECONDS)),
    ],
    ..Table::EMPTY
};

/// `[[client_certificates]]`.
pub(super) static CLIENT_CERTIFICATE: Table = Table {
    name: "client_certificate",
    says: "Whom a certificate stands for that TLS verified against `[listen] tls.client_ca`. One that stands \
           for nobody is part of the transport only.",
    keys: &[
        Key::new("name", Shape::Text(NAME), "Its name in records.").required(),
        Key::new(
            "dns",
            Shape::Text(ANYTHING),
            "A DNS name among its subject alternative names, exactly.",
        ),
        Key::new(
            "uri",
            Shape::Text(ANYTHING),
            "A URI among its subject alternative names, exactly.",
        )
        .examples(&[Text("spiffe://example.com/agent/planner")]),
        Key::new(
            "email",
            Shape::Text(ANYTHING),
            "An email address among its subject alternative names, exactly.",
        ),
        Key::new("sha256", Shape::Text(SHA256), "SHA-256 of its DER."),
        HOLDER_TENANT,
        HOLDER_USER,
        HOLDER_ROLES,
        HOLDER_SCOPES,
    ],
    rules: &[Rule::ExactlyOne(&[
        &["dns"],
        &["uri"],
        &["email"],
        &["sha256"],
    ])],
    ..Table::EMPTY
};

/// `[development]`.
pub(super) static DEVELOPMENT: Table = Table {
    name: "development",
    says: "Who calls where a request carries no credential at all.",
    keys: &[HOLDER_TENANT, HOLDER_USER, HOLDER_ROLES],
    ..Table::EMPTY
};

/// The path of a file, for `ca` and its kin.
pub(super) const PEM: Shape = Shape::Text(FILE);
