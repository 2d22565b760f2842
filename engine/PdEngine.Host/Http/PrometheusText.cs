using System.Globalization;
using System.Text;

namespace PdEngine.Host;

/// <summary>Writes metrics as Prometheus reads them (text format 0.0.4).</summary>
internal sealed class PrometheusText
{
    private readonly StringBuilder _text = new();
    private string _family = "";

    /// <summary>Tags as labels, without braces.</summary>
    public static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        StringBuilder labels = new();
        foreach ((string key, object? value) in tags)
        {
            labels.Append(labels.Length == 0 ? "" : ",").Append(Name(key)).Append("=\"");
            labels.Append(Escaped(value?.ToString() ?? "")).Append('"');
        }
        return labels.ToString();
    }

    public void Add(string instrument, string labels, MeterTotals.Series series)
    {
        (double sum, long count, long[] buckets) = series.Values();
        string name = Name(instrument) + series.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        if (series.IsHistogram)
        {
            Begin(name, "histogram", series.Description);
            string comma = labels.Length == 0 ? "" : ",";
            for (int i = 0; i < buckets.Length; i++)
            {
                string bound = Number(MeterTotals.BoundsSeconds[i]);
                Line($"{name}_bucket", $"{labels}{comma}le=\"{bound}\"", buckets[i]);
            }
            Line($"{name}_bucket", $"{labels}{comma}le=\"+Inf\"", count);
            Line($"{name}_sum", labels, sum);
            Line($"{name}_count", labels, count);
            return;
        }
        Add(series.IsGauge ? name : $"{name}_total", series.IsGauge ? "gauge" : "counter", series.Description,
            labels, sum);
    }

    public void Add(string name, string type, string? help, string labels, double value)
    {
        Begin(name, type, help);
        Line(name, labels, value);
    }

    public override string ToString() => _text.ToString();

    private void Begin(string name, string type, string? help)
    {
        if (name == _family)
            return;
        _family = name;
        if (help is not null)
            _text.Append($"# HELP {name} {help.Replace("\\", @"\\").Replace("\n", @"\n")}\n");
        _text.Append($"# TYPE {name} {type}\n");
    }

    private void Line(string name, string labels, double value)
    {
        _text.Append(name);
        if (labels.Length > 0)
            _text.Append('{').Append(labels).Append('}');
        _text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Name(string given) =>
        string.Concat(given.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '_'));

    private static string Escaped(string value) =>
        value.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", @"\n");

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
