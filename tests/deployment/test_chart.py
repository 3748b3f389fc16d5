"""The chart by Helm itself, its manifests by Kubernetes' schemas, and what they promise."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics import WAITING
from runtime import starting
from runtime.services import PORTS
from tests.support.alerts import PROMETHEUS
from tests.support.deployment import (
    CHART,
    EXAMPLE,
    KUBERNETES,
    ROOT,
    helm,
    kubernetes_schemas,
    of_kind,
    pods,
    render,
    rendered,
    run,
)

SERVING = ("gateway", "identity", "catalog", "booking", "notification")
ROLES = (*SERVING, "worker")
OF_EXTENSIONS = {
    "ServiceMonitor",
    "PodMonitor",
    "PrometheusRule",
    "HTTPRoute",
}  # their schemas are not Kubernetes' own
EVERYTHING = (
    "--set", "gatewayApi.enabled=true",
    "--set-json", 'gatewayApi.parentRefs=[{"name": "public"}]',
    "--set-json", 'gatewayApi.hostnames=["tickets.example.com"]',
    "--set", "roles.notification.autoscaling.enabled=true",
    "--set", "priorityClassName=sale",
    "--set-json", 'image.pullSecrets=[{"name": "registry"}]',
)  # fmt: skip


def test_the_linter_has_nothing_to_say() -> None:
    answer = run(helm(), "lint", "--strict", CHART, "--values", EXAMPLE)
    assert answer.returncode == 0, answer.stdout
    assert "WARNING" not in answer.stdout


def test_a_mistake_in_a_template_is_found(chart: Path) -> None:
    """The control of the check itself."""
    file = chart / "templates" / "services.yaml"
    file.write_text(file.read_text().replace('"stampede.ports"', '"stampede.port"', 1))
    answer = run(helm(), "lint", "--strict", chart, "--values", EXAMPLE)
    assert answer.returncode != 0
    assert 'no template "stampede.port"' in answer.stdout + answer.stderr


def broken(manifests: list[dict[str, Any]]) -> list[str]:
    """What Kubernetes would refuse, unknown fields included."""
    schemas = kubernetes_schemas()
    found = []
    for one in manifests:
        if one["kind"] in OF_EXTENSIONS:
            continue
        try:
            schemas.validate(one, KUBERNETES, strict=True)
        except schemas.ValidationError as wrong:
            found.append(f"{one['kind']} {one['metadata']['name']}: {wrong.message}")
    return found


@pytest.mark.parametrize("more", [(), EVERYTHING], ids=["example", "everything"])
def test_every_manifest_is_what_kubernetes_knows(more: tuple[str, ...]) -> None:
    manifests = rendered(*more)
    assert len(manifests) > 30
    assert broken(manifests) == []


def test_a_field_that_kubernetes_does_not_know_is_found(chart: Path) -> None:
    """The control of the check itself."""
    file = chart / "templates" / "deployments.yaml"
    file.write_text(file.read_text().replace("minReadySeconds:", "minReadySecond:"))
    answer = render(chart=chart)
    assert answer.returncode == 0, "Helm does not look"
    found = broken([one for one in yaml.safe_load_all(answer.stdout) if one])
    assert len(found) == len(ROLES)
    assert "minReadySecond" in found[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("publicUrl=", "/publicUrl"),
        ("trustedProxies=null", "'trustedProxies'"),
        ("payment.provider=", "/payment/provider"),
        ("secrets.databaseUrl.name=", "/secrets/databaseUrl/name"),
        ("secrets.webhookSecret.name=", "/secrets/webhookSecret/name"),
        ("secrets.databaseUrl.value=postgresql://u:p@h/d", "'value' not allowed"),
        ("settings.DEMO=true", "'DEMO'"),
        ("replicas=3", "'replicas' not allowed"),
        ("roles.gateway.workers=0", "/roles/gateway/workers"),
        ("settings.UNREAD_BYTES_PER_IP=67108864", "/settings/UNREAD_BYTES_PER_IP"),
        ("rollout.terminationGracePeriodSeconds=5", "/rollout/terminationGracePeriodSeconds"),
        ("ingress.host=", "/ingress/host"),
    ],
)
def test_a_wrong_value_is_refused_by_name(change: str, told: str) -> None:
    answer = render("--set", change)
    assert answer.returncode != 0
    assert told in answer.stderr


def test_the_chart_alone_installs_nothing() -> None:
    answer = run(helm(), "template", "stampede", CHART)
    assert answer.returncode != 0
    for name in ("databaseUrl", "redisUrl", "natsUrl", "webhookSecret", "smtpUrl"):
        assert f"/secrets/{name}/name" in answer.stderr


def test_credentials_come_by_reference_only() -> None:
    found = rendered()
    assert of_kind(found, "Secret") == of_kind(found, "ConfigMap") == {}
    for pod in pods(found).values():
        for one in pod["containers"][0]["env"]:
            if re.search(r"DATABASE|REDIS|NATS|SMTP|SECRET", one["name"]):
                assert set(one["valueFrom"]["secretKeyRef"]) == {"name", "key"}, one


@pytest.mark.parametrize("role", [*ROLES, "migrate"])
def test_a_pod_runs_without_root_and_writes_nowhere_but_tmp(role: str) -> None:
    pod = pods(rendered())[role]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert pod["automountServiceAccountToken"] is False
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("role", [*ROLES, "migrate"])
def test_kubernetes_adds_no_variable_that_looks_like_a_setting(role: str) -> None:
    """A service named stampede-gateway would give each pod STAMPEDE_GATEWAY_PORT, an unknown setting."""
    assert pods(rendered())[role]["enableServiceLinks"] is False


@pytest.mark.parametrize("role", ROLES)
def test_a_rollout_takes_nothing_away_before_its_successor_is_ready(role: str) -> None:
    deployment = of_kind(rendered(), "Deployment")[role]["spec"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert deployment["minReadySeconds"] > 0
    keys = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in keys] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]


@pytest.mark.parametrize("role", SERVING)
def test_the_grace_period_fits_what_happens_at_the_end(role: str) -> None:
    pod = pods(rendered())[role]
    sleep_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    ending_s = starting.DRAIN_S + starting.WEB_STOP_TIMEOUT_S
    assert pod["terminationGracePeriodSeconds"] >= sleep_s + ending_s + 5


@pytest.mark.parametrize("role", SERVING)
def test_services_and_probes_are_at_the_ports_of_the_code(role: str) -> None:
    found = rendered()
    container = pods(found)[role]["containers"][0]
    assert [one["containerPort"] for one in container["ports"]] == [PORTS[role]]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    service = of_kind(found, "Service")[role]["spec"]
    assert [one["port"] for one in service["ports"]] == [PORTS[role]]
    headless = service.get("clusterIP") == "None"
    assert headless is (role != "gateway"), "callers of a service spread their calls themselves"
    own = {one["name"]: one.get("value") for one in container["env"]}
    for name in SERVING[1:]:
        assert own[f"STAMPEDE_{name.upper()}_URL"] == f"http://stampede-{name}:{PORTS[name]}"


def test_the_schema_is_migrated_before_anything_new_starts() -> None:
    job = of_kind(rendered(), "Job")["migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["migrate"]
    assert "serviceAccountName" not in pod, "the chart's own does not exist before an install"


def test_behind_a_pooler_everyone_with_the_database_has_its_direct_url_too() -> None:
    for role, pod in pods(rendered("--set", "secrets.databaseDirectUrl.name=direct")).items():
        urls = {
            one["name"]: one["valueFrom"]["secretKeyRef"]["name"]
            for one in pod["containers"][0]["env"]
            if "DATABASE" in one["name"]
        }
        both = {
            "STAMPEDE_DATABASE_URL": "stampede-postgresql",
            "STAMPEDE_DATABASE_DIRECT_URL": "direct",
        }
        assert urls == ({} if role == "gateway" else both), role


def test_every_role_survives_a_drained_node_and_the_busy_ones_grow() -> None:
    found = rendered()
    budgets = of_kind(found, "PodDisruptionBudget")
    assert set(budgets) == set(ROLES)
    assert all(one["spec"]["maxUnavailable"] == 1 for one in budgets.values())
    scalers = of_kind(found, "HorizontalPodAutoscaler")
    assert set(scalers) == {"gateway", "identity", "catalog", "booking"}
    for role, deployment in of_kind(found, "Deployment").items():
        assert ("replicas" in deployment["spec"]) is (role not in scalers), "two would fight"
        fewest = scalers[role]["spec"]["minReplicas"] if role in scalers else 2
        assert fewest >= 2


def test_the_gateway_grows_by_its_admission_queue() -> None:
    """The metric is one that the gateway really has."""
    scaler = of_kind(rendered(), "HorizontalPodAutoscaler")["gateway"]["spec"]
    (queue,) = [one["pods"] for one in scaler["metrics"] if one["type"] == "Pods"]
    name = queue["metric"]["name"]
    (described,) = WAITING.describe()
    assert name == described.name
    without = rendered("--set", "queueMetric.enabled=false")
    metrics = of_kind(without, "HorizontalPodAutoscaler")["gateway"]["spec"]["metrics"]
    assert [one["type"] for one in metrics] == ["Resource"]


def components(rule: dict[str, Any], key: str) -> set[str]:
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for peer in rule.get(key, ())
        if "podSelector" in peer
    }


def callers_in_the_code() -> dict[str, set[str]]:
    """Who calls whom by what the code names: `upstreams.X` in a room, and all of them in the gateway.

    Every service fetches its keys from identity (chassis.wiring). The worker runs the workers of all
    services, delivers events to consumers, and opens the sandbox's webhooks.
    """
    found: dict[str, set[str]] = {name: {"worker"} for name in SERVING[1:]}
    for name, callers in found.items():
        callers.add("gateway")
        for caller in SERVING[1:]:
            sources = (path.read_text() for path in (ROOT / caller).rglob("*.py"))
            named = any(f"upstreams.{name}" in text for text in sources)
            if caller != name and (named or name == "identity"):
                callers.add(caller)
    return found


def test_only_those_who_call_a_service_may_speak_to_it() -> None:
    policies = of_kind(rendered(), "NetworkPolicy")
    deny = policies.pop("network")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not deny.keys() & {"ingress", "egress"}, "default: nothing"
    assert set(policies) == {*ROLES, "migrate"}
    allowed_in: dict[str, set[str]] = {name: set() for name in SERVING[1:]}
    allowed_out: dict[str, set[str]] = {name: set() for name in SERVING[1:]}
    for role, policy in policies.items():
        for rule in policy["spec"].get("ingress", ()):
            if role in allowed_in:
                allowed_in[role] |= components(rule, "from")
        for rule in policy["spec"]["egress"]:
            for callee in components(rule, "to"):
                assert [one["port"] for one in rule["ports"]] == [PORTS[callee]]
                allowed_out[callee].add(role)
    assert allowed_in == allowed_out == callers_in_the_code()


def test_only_those_who_use_a_store_may_reach_it() -> None:
    reached: dict[int, set[str]] = {}
    for role, policy in of_kind(rendered(), "NetworkPolicy").items():
        for rule in policy["spec"].get("egress", ()):
            for port in rule["ports"]:
                reached.setdefault(port["port"], set()).add(role)
    postgresql = {role for role, urls in starting.USES.items() if "database_url" in urls}
    redis = {role for role, urls in starting.USES.items() if "redis_url" in urls}
    assert reached[5432] == postgresql - {"sandbox"} | {"worker", "migrate"}
    assert reached[6379] == redis | {"worker"}
    assert reached[4222] == {"booking", "worker"}
    assert reached[587] == {"worker"}
    assert reached[443] == {"booking", "worker"}


MONITORED = (
    "--set", "serviceMonitor.enabled=true",
    "--set-json", 'networkPolicies.monitoring.from=[{"namespaceSelector": {}}]',
)  # fmt: skip


def test_the_worker_is_scraped_where_it_serves_and_by_nobody_else() -> None:
    found = rendered(*MONITORED)
    container = pods(found)["worker"]["containers"][0]
    (port,) = container["ports"]
    own = {one["name"]: one.get("value") for one in container["env"]}
    assert own["STAMPEDE_WORKER_PORT"] == str(port["containerPort"])
    assert port["containerPort"] not in PORTS.values()
    (monitor,) = of_kind(found, "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    deployment = of_kind(found, "Deployment")["worker"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (rule,) = of_kind(found, "NetworkPolicy")["worker"]["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {}}]
    assert [one["port"] for one in rule["ports"]] == [port["containerPort"]]
    nobody = rendered("--set-json", "networkPolicies.monitoring.from=[]")
    closed = of_kind(nobody, "NetworkPolicy")["worker"]["spec"]
    assert "Ingress" in closed["policyTypes"]
    assert "ingress" not in closed, "nobody is named: nobody may"


def test_every_role_may_reach_the_collector_where_one_is_set() -> None:
    to_it = {"ports": [{"protocol": "TCP", "port": 4318}]}
    without = of_kind(rendered(), "NetworkPolicy").values()
    assert not any(to_it in one["spec"].get("egress", []) for one in without)
    found = of_kind(
        rendered("--set", "settings.OTLP_ENDPOINT=http://collector:4318"), "NetworkPolicy"
    )
    assert {role for role, one in found.items() if to_it in one["spec"].get("egress", [])} == {
        *("gateway", "identity", "catalog", "booking", "notification", "worker")
    }


def test_the_rules_of_the_chart_are_those_that_are_tested() -> None:
    found = rendered(*MONITORED, "--set", "prometheusRule.enabled=true")
    (made,) = [one for one in found if one["kind"] == "PrometheusRule"]
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    there = [
        group
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    assert made["spec"]["groups"] == there
    assert [one for one in rendered(*MONITORED) if one["kind"] == "PrometheusRule"] == []
