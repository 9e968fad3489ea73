"""The addresses outside the tree of projects, and who answers them. A table; no behaviour."""

from __future__ import annotations

from cci.archive.routes import customfields, dicomdump, favorites, importing, search, site, users
from cci.archive.routes.eventservice import EVENT_ROUTES
from cci.archive.routes.site import SiteHandler

#: Addresses below ``/data`` (and ``/REST``) that are not of the tree: path → method → handler.
DATA_ROUTES: dict[str, dict[str, SiteHandler]] = {
    "JSESSION": {"GET": site.get_session, "POST": site.get_session, "DELETE": site.end_session},
    "auth": {"GET": site.who},
    "version": {"GET": site.no_version},
    "user/{login}/sessions": {"GET": site.count_sessions},
    "users": {"GET": users.list_users},
    "users/favorites/{kind}": {"GET": favorites.list_favorites},
    "users/favorites/{kind}/{project}": {
        "PUT": favorites.put_favorite,
        "DELETE": favorites.delete_favorite,
    },
    "services/tokens/issue": {"GET": site.issue_token},
    "services/tokens/issue/user/{login}": {"GET": site.issue_token},
    "services/tokens/validate/{alias}/{secret}": {"GET": site.validate_token},
    "services/tokens/invalidate/{alias}": {"GET": site.invalidate_token},
    "services/tokens/invalidate/{alias}/{secret}": {"GET": site.invalidate_token},
    "services/tokens/show": {"GET": site.show_tokens},
    "scan_types": {"GET": site.scan_types},
    "archive/scan_types": {"GET": site.scan_types},
    "scanners": {"GET": site.scanners},
    "archive/scanners": {"GET": site.scanners},
    "services/refresh/catalog": {"POST": site.refresh_catalog},
    "services/dicomdump": {"GET": dicomdump.dump_headers},
    "services/import": {"POST": importing.import_session},
    "prearchive/projects": {"GET": site.prearchive},
    "prearchive/projects/{project}": {"GET": site.prearchive},
    "search": {"POST": search.run_search},
    "search/elements": {"GET": search.list_elements},
    "search/elements/{element}": {"GET": search.list_fields},
    "search/saved": {"GET": search.list_saved},
    "search/saved/{id}": {
        "GET": search.get_saved,
        "PUT": search.put_saved,
        "DELETE": search.delete_saved,
    },
    "search/saved/{id}/results": {"GET": search.saved_results},
    "search/{id}": {"GET": search.cached_results},
}
#: Addresses that begin at the root of the server.
OTHER_ROUTES: dict[str, dict[str, SiteHandler]] = {
    "/app/action/LogoutUser": {"GET": site.log_out},
    "/xapi/siteConfig/buildInfo": {"GET": site.build_info},
    "/xapi/siteConfig/uptime": {"GET": site.uptime},
    "/xapi/siteConfig": {"GET": site.site_settings},
    "/xapi/siteConfig/{name}": {"GET": site.site_setting},
    "/xapi/plugins": {"GET": site.plugins},
    "/xapi/archive/catalogs/refresh": {"PUT": site.refresh_catalogs},
    "/xapi/archive/catalogs/refresh/{operations}": {"PUT": site.refresh_catalogs},
    "/xapi/schemas": {"GET": site.schema_list},
    "/xapi/schemas/{name:path}": {"GET": site.schema},
    "/schemas/{name:path}": {"GET": site.schema},
    "/xapi/users": {"GET": users.user_names, "POST": users.create_user},
    "/xapi/users/username": {"GET": users.user_name},
    "/xapi/users/{login}": {"GET": users.get_user, "PUT": users.put_user},
    "/xapi/users/active/{login}": {"DELETE": site.end_sessions},
    "/xapi/access/projects": {"GET": users.project_access},
    "/xapi/custom-fields/{path:path}": {
        "GET": customfields.get_fields,
        "PUT": customfields.put_fields,
        "DELETE": customfields.delete_field,
    },
    **{f"/xapi/events/{path}": handlers for path, handlers in EVENT_ROUTES.items()},
    **{f"/xapi/projects/{{project}}/events/{path}": handlers for path, handlers in EVENT_ROUTES.items()},
}
