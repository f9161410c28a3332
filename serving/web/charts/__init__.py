"""Charts of the pages: specifications drawn with Altair beforehand, filled with rows when a page is shown."""

from serving.web.charts.filling import Chart, chart
from serving.web.charts.pictures import picture

__all__ = ["Chart", "chart", "picture"]
