"""The audit table, to look at."""

from django.contrib import admin

from django_ftpd.models import Event


MOST_USERS = 100


class UserFilter(admin.SimpleListFilter):
    """Those who have logged in; whoever tries to guess names would make the list endless."""

    title = "user"
    parameter_name = "username"

    def lookups(self, request, model_admin):
        logins = Event.objects.filter(event_type="ftp_login").order_by("username")
        names = logins.values_list("username", flat=True).distinct()[:MOST_USERS]
        return [(name, name) for name in names if name]

    def queryset(self, request, queryset):
        return queryset.filter(username=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    list_display = ["time", "event_type", "username", "remote_ip", "virtual_path", "bytes", "reason"]
    list_filter = [UserFilter, "event_type", "time"]
    search_fields = ["username", "remote_ip", "path", "virtual_path", "path_to"]
    # Counting a large table only to say how much of it is not shown is not worth it.
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
