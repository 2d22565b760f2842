using System.Text.RegularExpressions;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>Where the requests of a batch went: by worker, and by path and reason. Thread-safe.</summary>
internal sealed partial class RouteTally
{
    private const int MaxReasonRows = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, WorkerRow> _workers = new(StringComparer.Ordinal);
    private readonly Dictionary<(PdPath Path, string Reason), int> _routes = [];

    public void Add(Generation generation)
    {
        lock (_gate)
        {
            (string prefill, string decode) = (generation.PrefillWorker, generation.DecodeWorker);
            if (prefill.Length > 0)
                Row(prefill).PromptTokens += generation.PromptIds.Length;
            if (decode.Length > 0)
                Row(decode).OutputTokens += generation.OutputIds.Count;
            else if (prefill.Length > 0)
                Row(prefill).OutputTokens += generation.OutputIds.Count;
            foreach (string worker in new[] { prefill, decode }.Where(name => name.Length > 0).Distinct())
                Row(worker).RequestCount++;
            // Reasons carry the prompt's own numbers, by which nothing would be counted twice.
            (PdPath, string) route = (generation.PdPath, Number().Replace(generation.PdReason, "N"));
            _routes[route] = _routes.GetValueOrDefault(route) + 1;
        }
    }

    public void Print(IAnsiConsole console)
    {
        Table workers = new() { Border = TableBorder.Rounded };
        workers.AddColumns("worker", "requests", "prompt tokens", "output tokens");
        Table routes = new() { Border = TableBorder.Rounded };
        routes.AddColumns("pd_path", "reason", "requests");
        lock (_gate)
        {
            foreach ((string name, WorkerRow row) in _workers.OrderByDescending(entry => RoleOf(entry.Key),
                StringComparer.Ordinal).ThenBy(entry => NumberOf(entry.Key)))
            {
                workers.AddRow(Markup.Escape(name), $"{row.RequestCount}", $"{row.PromptTokens}",
                    $"{row.OutputTokens}");
            }
            foreach (((PdPath path, string reason), int count) in _routes
                .OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key.Reason,
                    StringComparer.Ordinal).Take(MaxReasonRows))
            {
                routes.AddRow(RouteText.PathName(path), Markup.Escape(reason), $"{count}");
            }
        }
        console.Write(workers);
        console.Write(routes);
    }

    private WorkerRow Row(string worker)
    {
        if (!_workers.TryGetValue(worker, out WorkerRow? row))
            _workers.Add(worker, row = new WorkerRow());
        return row;
    }

    private static string RoleOf(string worker) => worker.TrimEnd("0123456789".ToCharArray());

    private static int NumberOf(string worker) =>
        int.TryParse(worker.AsSpan(RoleOf(worker).Length), out int number) ? number : -1;

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Number();

    private sealed class WorkerRow
    {
        public int RequestCount { get; set; }

        public long PromptTokens { get; set; }

        public long OutputTokens { get; set; }
    }
}
