from tests.pipelines.conftest import hub, hub_pool, hub_services, services  # noqa: F401 (fixtures)
