"""The pages, one module an area; each has ``pages``, a :class:`~trailwarden.faces.web.routes.Pages`."""
