"""The companion of the FTP server django-ftpd in a Django site."""
