using System.Globalization;

namespace PdEngine.Host;

/// <summary><c>/metrics</c> for Prometheus.</summary>
internal static class MetricsRoute
{
    public static Task AnswerAsync(HttpCall call)
    {
        PrometheusText text = new();
        foreach ((string name, string labels, MeterTotals.Series series) in call.Server.Totals.Read())
            text.Add(name, labels, series);
        AddModels(text, call.Server.Models);
        foreach ((int status, long count) in call.Server.Totals.Answers.OrderBy(entry => entry.Key))
        {
            text.Add("pdengine_http_answers_total", "counter", "HTTP answers.",
                $"status=\"{status.ToString(CultureInfo.InvariantCulture)}\"", count);
        }
        text.Add("pdengine_http_live_samples", "gauge", "Samples that clients wait for.", "",
            call.Server.Live.Count);
        return call.WriteTextAsync(text.ToString(), 200, "text/plain; version=0.0.4; charset=utf-8");
    }

    private static void AddModels(PrometheusText text, IReadOnlyList<EngineModel> models)
    {
        (string Name, string Help, Func<EngineModel, double> Value)[] gauges =
        [
            ("requests_live", "Requests from their arrival to their end.", model => model.LiveRequestCount),
            ("kv_blocks", "KV blocks in all.", model => model.Metrics.TotalBlocks),
            ("kv_blocks_free", "KV blocks that nobody holds.", model => model.Metrics.FreeBlocks),
            ("kv_blocks_cached", "KV blocks that only the prefix cache holds.",
                model => model.Metrics.CachedBlocks),
            ("paused", "1 while the service is paused.", model => model.IsPaused ? 1 : 0),
        ];
        foreach ((string name, string help, Func<EngineModel, double> value) in gauges)
        {
            foreach (EngineModel model in models)
            {
                text.Add($"pdengine_{name}", "gauge", help, PrometheusText.Labels([new("model", model.Name)]),
                    value(model));
            }
        }
    }
}
