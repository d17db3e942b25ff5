"""A report for people: tables on a terminal, a page of Markdown, and plots."""

from redis_mob.bench.output.markdown import to_markdown
from redis_mob.bench.output.plots import require_plots, write_plots
from redis_mob.bench.output.terminal import to_text

__all__ = ["require_plots", "to_markdown", "to_text", "write_plots"]
