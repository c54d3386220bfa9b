"""The handler of the page of settings: those in force, by what they are for."""

from core.api.read_handlers import html_response
from core.api.request import HttpResponse, RequestContext
from core.config.settings import Settings, list_settings
from core.model.options import Purpose
from core.web.setting_rows import SettingRow


async def get_settings_page(context: RequestContext) -> HttpResponse:
    """The settings in force, as an HTML page."""
    from core.web import pages

    rows = list_setting_rows(context.settings)
    return html_response(
        200, pages.render_settings_page(rows, context.now, context.settings.tenant_name)
    )


def list_setting_rows(settings: Settings) -> list[tuple[str, list[SettingRow]]]:
    """All settings by what they are for. Of a secret, only that it is set is told."""
    found: dict[str, list[SettingRow]] = {str(purpose): [] for purpose in Purpose}
    for setting in list_settings():
        value = settings[setting.name]
        found[str(setting.purpose)].append(
            SettingRow(
                setting.name,
                ("set, not shown" if value else "") if setting.is_secret else value,
                value == (setting.default or ""),
                setting.help,
            )
        )
    return [(purpose, rows) for purpose, rows in found.items() if rows]
