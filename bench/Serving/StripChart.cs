using System.Diagnostics;
using System.Text;
using System.Xml;

namespace PdEngine.Bench;

/// <summary>
/// A self-contained SVG: a strip an arm on one time axis, in it a row a stream with a mark a token, so that a
/// stall is a hole that one sees. A gap over the threshold is red, a prompt's wait for its first token is
/// shaded.
/// </summary>
internal sealed class StripChart : IDisposable
{
    private const int Width = 1180, StripLeft = 230, StripWidth = 680, Margin = 16, RowHeight = 8;
    private const int LineHeight = 16, LeastStripHeight = 4 * LineHeight;
    private const string Ink = "#1f2937", Faint = "#6b7280", Line = "#d1d5db", Token = "#1d4ed8";
    private const string Stall = "#f87171", Wait = "#fde68a", Strip = "#f3f4f6";
    private readonly XmlWriter _svg;
    private int _top = Margin;

    private StripChart(Stream target)
    {
        _svg = XmlWriter.Create(
            target, new XmlWriterSettings { Encoding = new UTF8Encoding(false), Indent = true });
    }

    /// <summary>Draws all loads, one below the other.</summary>
    public static void Write(Stream target, IReadOnlyList<PdResult> results)
    {
        int height = (2 * Margin) + results.Sum(Height);
        using StripChart chart = new(target);
        chart._svg.WriteStartElement("svg", "http://www.w3.org/2000/svg");
        chart._svg.WriteAttributeString("viewBox", $"0 0 {Width} {height}");
        chart._svg.WriteAttributeString("width", $"{Width}");
        chart._svg.WriteAttributeString("height", $"{height}");
        chart._svg.WriteAttributeString("font-family", "sans-serif");
        chart._svg.WriteAttributeString("font-size", "12");
        chart.Rectangle(0, 0, Width, height, "#ffffff");
        foreach (PdResult result in results)
            chart.Draw(result);
        chart._svg.WriteEndElement();
    }

    public void Dispose() => _svg.Dispose();

    private static int Height(PdResult result) =>
        (5 * LineHeight) + (result.Rows.Count * (StripHeight(RowCount(result)) + LineHeight));

    private static int StripHeight(int rowCount) => Math.Max(LeastStripHeight, rowCount * RowHeight);

    private static int RowCount(PdResult result) =>
        result.Rows.Max(row => row.Median.Trace.Requests.Max(request => request.Request.Row)) + 1;

    private void Draw(PdResult result)
    {
        double seconds = result.Rows.Max(row => row.Figures.WallSeconds);
        int rowCount = RowCount(result), stripHeight = StripHeight(rowCount);
        Text(Margin, _top + LineHeight, $"{result.Load.Name}: {result.Load.Title}; {result.Model}", Ink,
            bold: true);
        Text(Margin, _top + (2 * LineHeight),
            $"Blue: tokens as they arrive. Red: a gap over {result.Settings.StallSeconds:0.###} s. "
            + "Yellow: a prompt from its arrival to its first token.", Faint);
        _top += 3 * LineHeight;
        for (int i = 0; i < result.Rows.Count; i++)
            Rectangle(StripLeft, _top + (i * (stripHeight + LineHeight)), StripWidth, stripHeight, Strip);
        DrawAxis(result.Rows.Count * (stripHeight + LineHeight), seconds);
        foreach (PdRow row in result.Rows)
        {
            DrawArm(row, seconds, result.Settings.StallSeconds, stripHeight, stripHeight / (double)rowCount);
            _top += stripHeight + LineHeight;
        }
        _top += 2 * LineHeight;
    }

    private void DrawArm(PdRow row, double seconds, double stallSeconds, int height, double rowHeight)
    {
        Captions(row);
        LoadTrace trace = row.Median.Trace;
        double X(long ticks) => StripLeft + (ticks <= trace.StartTicks
            ? 0
            : Stopwatch.GetElapsedTime(trace.StartTicks, ticks).TotalSeconds / seconds * StripWidth);
        foreach (RequestTrace request in trace.Requests)
        {
            double y = _top + (request.Request.Row * rowHeight);
            (double from, double to) = (X(request.SubmittedTicks), X(request.FirstTicks));
            if (request.Request.Role is RequestRole.Injected)
                Rectangle(from, _top, to - from, height, Wait);
            else if (request.Request.Role is RequestRole.Turn)
                Rectangle(from, y, to - from, rowHeight, Wait);
        }
        double stall = stallSeconds / seconds * StripWidth;
        foreach (RequestTrace request in trace.Requests)
        {
            double y = _top + (request.Request.Row * rowHeight) + 1;
            for (int i = 1; i < request.Arrivals.Count; i++)
            {
                (double from, double to) = (X(request.Arrivals[i - 1].Ticks), X(request.Arrivals[i].Ticks));
                if (to - from > stall)
                    Rectangle(from, y, to - from, rowHeight - 2, Stall);
            }
        }
        Marks(trace, X, rowHeight);
    }

    private void Captions(PdRow row)
    {
        PdFigures figures = row.Figures;
        Text(Margin, _top + LineHeight, row.Arm.Title, Ink, bold: true);
        if (!row.IsAsNamed)
            Text(Margin, _top + (2 * LineHeight), "nothing was handed off", Faint);
        double[] gaps = [figures.GapSeconds.At(0.5) * 1e3, figures.GapSeconds.At(0.99) * 1e3];
        string[] lines =
        [
            $"longest gap {figures.GapSeconds.Max:F3} s, stalled {figures.StalledShare * 100:F0}%",
            $"gaps p50 {gaps[0]:F0} ms, p99 {gaps[1]:F0} ms",
            $"first token p50 {figures.FirstTokenSeconds.At(0.5):F2} s",
            $"{figures.TokensPerSecond:F1} tokens/s",
        ];
        for (int i = 0; i < lines.Length; i++)
        {
            double y = _top + ((i + 0.75) * LineHeight);
            Text(StripLeft + StripWidth + Margin, y, lines[i], Ink, bold: i == 0);
        }
    }

    /// <summary>
    /// A mark of a pixel a token; marks that touch are drawn as one, which keeps thousands of tokens small.
    /// </summary>
    private void Marks(LoadTrace trace, Func<long, double> x, double rowHeight)
    {
        StringBuilder path = new();
        foreach (RequestTrace request in trace.Requests)
        {
            double y = _top + ((request.Request.Row + 0.5) * rowHeight);
            int start = -1, end = -1;
            foreach (TokenArrival arrival in request.Arrivals.Where(a => a.Ticks >= trace.StartTicks))
            {
                int half = (int)(x(arrival.Ticks) * 2);
                if (half > end)
                {
                    Append(path, start, end, y);
                    start = half;
                }
                end = half + 2;
            }
            Append(path, start, end, y);
        }
        _svg.WriteStartElement("path");
        _svg.WriteAttributeString("d", path.ToString());
        _svg.WriteAttributeString("stroke", Token);
        _svg.WriteAttributeString("stroke-width", $"{rowHeight - 2:0.##}");
        _svg.WriteEndElement();
    }

    private static void Append(StringBuilder path, int start, int end, double y)
    {
        if (start >= 0)
            path.Append($"M{start / 2.0:0.#} {y:0.##}h{(end - start) / 2.0:0.#}");
    }

    private void DrawAxis(int height, double seconds)
    {
        double step = Step(seconds / 8);
        for (int i = 0; i * step <= seconds; i++)
        {
            double at = StripLeft + (i * step / seconds * StripWidth);
            Rectangle(at, _top, 0.5, height - LineHeight + 4, Line);
            Text(at, _top + height, $"{i * step:0.###} s", Faint, anchor: "middle");
        }
    }

    /// <summary>The next of 1, 2, 5, 10, ... (or 0.1, 0.2, ...) from a length on.</summary>
    internal static double Step(double least)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return power * (least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10);
    }

    private void Rectangle(double x, double y, double width, double height, string fill)
    {
        _svg.WriteStartElement("rect");
        _svg.WriteAttributeString("x", $"{x:0.##}");
        _svg.WriteAttributeString("y", $"{y:0.##}");
        _svg.WriteAttributeString("width", $"{width:0.##}");
        _svg.WriteAttributeString("height", $"{height:0.##}");
        _svg.WriteAttributeString("fill", fill);
        _svg.WriteEndElement();
    }

    private void Text(
        double x, double y, string text, string fill, bool bold = false, string anchor = "start")
    {
        _svg.WriteStartElement("text");
        _svg.WriteAttributeString("x", $"{x:0.##}");
        _svg.WriteAttributeString("y", $"{y:0.##}");
        _svg.WriteAttributeString("fill", fill);
        _svg.WriteAttributeString("text-anchor", anchor);
        if (bold)
            _svg.WriteAttributeString("font-weight", "bold");
        _svg.WriteString(text);
        _svg.WriteEndElement();
    }
}
