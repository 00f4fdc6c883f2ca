"""The audit table, to look at."""

from django.contrib import admin

from django_ftpd.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    list_display = ["time", "event", "username", "remote_ip", "virtual_path", "bytes", "reason"]
    list_filter = ["event", "time", "username"]
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
