use secrecy::ExposeSecret;

use super::*;
use crate::config::Config;
use crate::secret::SecretResolver;

fn with<const N: usize>(
    text: &str,
    variables: [(&str, &str); N],
) -> Result<Option<Otlp>, Vec<String>> {
    let environment = SecretResolver::with_environment(variables);
    Config::parse("gate.toml", text, &environment)
        .map(|config| config.telemetry)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn url(receiver: &Option<OtlpReceiver>) -> Option<&str> {
    receiver.as_ref().map(|receiver| receiver.url.as_str())
}

fn header<'o>(otlp: &'o Otlp, name: &str) -> Option<&'o str> {
    let headers = &otlp.traces.as_ref().unwrap().headers;
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.expose_secret())
}

fn resource<'o>(otlp: &'o Otlp, key: &str) -> Option<&'o str> {
    let found = otlp.resource.iter().find(|(known, _)| known == key);
    found.map(|(_, value)| value.as_str())
}

const ON: &str = "[telemetry]\notlp_endpoint = \"http://collector:4318\"\n";

#[test]
fn nothing_is_exported_unless_an_address_is_named() {
    assert!(with("", []).unwrap().is_none());
    let keys = "[telemetry]\nlogs = true\nsample_ratio = 0.5\nusers = true\n";
    assert!(with(keys, []).unwrap().is_none());
    let odd = [
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair"),
    ];
    assert!(
        with("", odd).unwrap().is_none(),
        "what is meant for others does not stop a gate that exports nothing"
    );
}

#[test]
fn an_address_in_the_file_gets_traces_and_logs_where_they_are_wanted() {
    let otlp = with(ON, []).unwrap().unwrap();
    assert_eq!(url(&otlp.traces), Some("http://collector:4318/v1/traces"));
    assert_eq!(url(&otlp.logs), None);
    assert_eq!((otlp.sample_ratio, otlp.trust_parent), (1.0, false));
    assert!(otlp.sample_refusals && !otlp.users && !otlp.gen_ai);
    assert_eq!(resource(&otlp, "service.name"), Some("fabric-gate"));
    let below = "[telemetry]\notlp_endpoint = \"https://x/otlp/\"\nlogs = true\ntraces = false\n";
    let otlp = with(below, []).unwrap().unwrap();
    assert_eq!(url(&otlp.logs), Some("https://x/otlp/v1/logs"));
    assert_eq!(url(&otlp.traces), None);
}

#[test]
fn the_standard_variables_are_enough() {
    let otlp = with(
        "",
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://agent:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s%20e,x=1"),
            ("OTEL_SERVICE_NAME", "edge"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=prod,service.name=lost",
            ),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ],
    );
    let otlp = otlp.unwrap().unwrap();
    assert_eq!(url(&otlp.traces), Some("http://agent:4318/v1/traces"));
    assert_eq!(header(&otlp, "api-key"), Some("s e"));
    assert_eq!(header(&otlp, "x"), Some("1"));
    assert_eq!(resource(&otlp, "service.name"), Some("edge"));
    assert_eq!(resource(&otlp, "deployment.environment.name"), Some("prod"));
    assert_eq!(otlp.sample_ratio, 0.25);
    assert!(!otlp.trust_parent, "only the file says whom to trust");
    assert_eq!(otlp.timeout, Duration::from_millis(2_500));
    let own = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://agent:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/here"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=own"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=general"),
    ];
    let otlp = with("", own).unwrap().unwrap();
    assert_eq!(url(&otlp.traces), Some("http://traces:1/here"));
    assert_eq!(header(&otlp, "a"), Some("own"));
}

#[test]
fn the_file_holds_over_the_environment() {
    let file = format!(
        "{ON}service_name = \"filed\"\nsample_ratio = 0.5\ntimeout_seconds = 3\n\
         headers = {{ x = \"env:TOKEN\" }}\nattributes = {{ a = \"file\" }}\n"
    );
    let environment = [
        ("TOKEN", "t0k3n"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://agent:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=lost,y=kept"),
        ("OTEL_SERVICE_NAME", "lost"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=lost"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
    ];
    let otlp = with(&file, environment).unwrap().unwrap();
    assert_eq!(url(&otlp.traces), Some("http://collector:4318/v1/traces"));
    assert_eq!(header(&otlp, "x"), Some("t0k3n"));
    assert_eq!(header(&otlp, "y"), Some("kept"));
    assert_eq!(resource(&otlp, "service.name"), Some("filed"));
    assert_eq!(resource(&otlp, "a"), Some("file"));
    assert_eq!(otlp.sample_ratio, 0.5);
    assert_eq!(otlp.timeout, Duration::from_secs(3));
}

#[test]
fn one_variable_switches_everything_off() {
    assert!(with(ON, [("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
    assert!(with(ON, [("OTEL_SDK_DISABLED", "1")]).unwrap().is_some());
}

#[test]
fn what_means_nothing_is_refused_with_its_place_and_no_secret() {
    for (text, told) in [
        ("otlp_endpoint = \"collector\"", "is no address"),
        (
            "otlp_endpoint = \"grpc://c:4317\"",
            "is an address of `http` or `https`",
        ),
        ("otlp_endpoint = \"http://u:hush@c\"", "holds a credential"),
        ("otlp_endpoint = \"http://c?token=hush\"", "has a query"),
        ("sample_ratio = 1.5", "is not between 0 and 1"),
        ("headers = { x = \"hush\" }", "a secret is a reference"),
        ("queue = 1", "is not between 16"),
        ("sample_rate = 1.0", "unknown field"),
    ] {
        let problems = with(&format!("[telemetry]\n{text}\n"), []).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{text}: {problems:?}");
        };
        assert!(problem.starts_with("gate.toml:2"), "{problem}");
        assert!(problem.contains(told), "{problem}");
        assert!(!problem.contains("hush"), "{problem}");
    }
    for (variable, value) in [
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
        ("OTEL_RESOURCE_ATTRIBUTES", "hush"),
    ] {
        let problems = with(ON, [(variable, value)]).unwrap_err();
        assert!(
            problems
                .concat()
                .contains(&format!("environment: error: `{variable}` is")),
            "{problems:?}"
        );
        assert!(!problems.concat().contains("hush"));
    }
    let grpc = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://agent:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    assert!(
        with("", grpc)
            .unwrap_err()
            .concat()
            .contains("http/protobuf")
    );
}
