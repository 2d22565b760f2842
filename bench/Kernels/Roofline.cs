namespace PdEngine.Bench;

/// <summary>
/// A roofline chart: a panel an instruction set and thread count, both axes logarithmic, a point a row. What
/// lies on a roof cannot be faster on this machine.
/// </summary>
internal sealed class Roofline
{
    private const int PanelWidth = 640, PanelHeight = 470, Header = 92, Margin = 16;
    private const int Columns = 2;
    private const string Ink = "#1f2937", Faint = "#6b7280", Grid = "#e5e7eb", FmaInk = "#9ca3af";

    private static readonly Dictionary<string, string> Colours = new()
    {
        ["matmul"] = "#1d4ed8", ["attention"] = "#ea580c", ["rms_norm"] = "#059669",
        ["rope_append"] = "#db2777", ["embed"] = "#0891b2", ["sample"] = "#a16207",
    };

    private readonly SvgPage _page;
    private readonly RooflineAxes _axes;

    private Roofline(SvgPage page, RooflineAxes axes) => (_page, _axes) = (page, axes);

    /// <summary>Draws rows, at least one.</summary>
    public static void Write(Stream target, IReadOnlyList<KernelRow> rows)
    {
        IGrouping<(string Isa, int Threads), KernelRow>[] panels =
            [.. rows.GroupBy(row => (row.Isa, row.Threads))];
        int columns = Math.Min(Columns, panels.Length);
        int lines = (panels.Length + columns - 1) / columns;
        int width = Math.Max((columns * PanelWidth) + (2 * Margin), 900);
        int height = Header + (lines * PanelHeight) + Margin;
        using SvgPage page = new(target, width, height);
        page.Text(
            Margin, 28, "Kernels under the machine's roofs", Ink, size: 18, isBold: true);
        page.Text(
            Margin, 48, "Work done in a second over work for each byte that must come from memory. A product "
            + "with bf16 weights has one FLOP a byte for each row.", Faint);
        Legend(page, rows);
        RooflineAxes axes = RooflineAxes.Of(rows, PanelWidth, PanelHeight);
        for (int i = 0; i < panels.Length; i++)
        {
            axes.MoveTo(Margin + (i % columns * PanelWidth), Header + (i / columns * PanelHeight));
            new Roofline(page, axes).Panel(panels[i].Key.Isa, panels[i].Key.Threads, [.. panels[i]]);
        }
    }

    private static void Legend(SvgPage page, IReadOnlyList<KernelRow> rows)
    {
        double x = Margin;
        foreach (string op in rows.Select(row => row.Op).Distinct())
        {
            page.Element("rect", ("x", SvgPage.N(x)), ("y", "63"), ("width", "12"), ("height", "12"),
                ("fill", Colours[op]));
            page.Text(x + 17, 74, op, Ink);
            x += 32 + (op.Length * 7);
        }
        x += 12;
        page.Element("circle", ("cx", SvgPage.N(x + 6)), ("cy", "69"), ("r", "5"), ("fill", "none"),
            ("stroke", Ink));
        page.Text(x + 17, 74, "prefill", Ink);
        x += 78;
        page.Element("rect", ("x", SvgPage.N(x)), ("y", "64"), ("width", "10"), ("height", "10"),
            ("fill", "none"), ("stroke", Ink));
        page.Text(x + 17, 74, "decode", Ink);
    }

    private void Panel(string isa, int threads, KernelRow[] rows)
    {
        string many = threads == 1 ? "1 thread" : $"{threads} threads";
        _page.Text(
            _axes.Left, _axes.Top - 10, $"{isa}, {many}, {rows[0].Dtype}", Ink, size: 14, isBold: true);
        DrawGrid();
        LimitReading limits = LimitReading.Median([.. rows.Select(row => row.Limits)]);
        DrawRoofs(limits);
        foreach (KernelRow row in rows)
            Point(row);
        LabelRoofs(limits, rows[0].Roof);
    }

    private void DrawGrid()
    {
        for (int power = _axes.FirstX; power <= _axes.LastX; power++)
        {
            double x = _axes.X(Math.Pow(10, power));
            _page.Line(x, _axes.Top, x, _axes.Bottom, Grid, 1);
            _page.Text(x, _axes.Bottom + 16, Power(power), Faint, "middle", 11);
        }
        for (int power = _axes.FirstY; power <= _axes.LastY; power++)
        {
            double y = _axes.Y(Math.Pow(10, power));
            _page.Line(_axes.Left, y, _axes.Right, y, Grid, 1);
            _page.Text(_axes.Left - 6, y + 4, Power(power - 9), Faint, "end", 11);
        }
        _page.Text(
            (_axes.Left + _axes.Right) / 2, _axes.Bottom + 34, "FLOP for each byte from memory", Ink,
            "middle");
        double middle = (_axes.Top + _axes.Bottom) / 2;
        _page.Text(_axes.Left - 44, middle, "GFLOP/s", Ink, "middle", degrees: -90);
    }

    private void DrawRoofs(LimitReading limits)
    {
        double flops = limits.FlopsPerSecond, bytes = limits.BytesPerSecond;
        double start = Math.Max(Math.Pow(10, _axes.FirstX), Math.Pow(10, _axes.FirstY) / bytes);
        double ridge = flops / bytes;
        _page.Line(
            _axes.X(start), _axes.Y(start * bytes), _axes.X(ridge), _axes.Y(flops), Ink, 1.8);
        _page.Line(_axes.X(ridge), _axes.Y(flops), _axes.Right, _axes.Y(flops), Ink, 1.8);
        if (limits.FmaFlopsPerSecond == flops)
            return;
        double fma = limits.FmaFlopsPerSecond, y = _axes.Y(fma);
        _page.Line(_axes.X(Math.Min(fma / bytes, ridge)), y, _axes.Right, y, FmaInk, 1.2, "5 4");
    }

    private void LabelRoofs(LimitReading limits, string arithmetic)
    {
        double flops = limits.FlopsPerSecond, fma = limits.FmaFlopsPerSecond, bytes = limits.BytesPerSecond;
        _page.Text(
            _axes.Right - 4, _axes.Y(flops) - 9, $"{arithmetic} {flops / 1e9:F0} GFLOP/s", Ink, "end",
            isBold: true);
        if (fma != flops)
        {
            _page.Text(
                _axes.Right - 4, _axes.Y(fma) + (fma < flops ? 17 : -9),
                $"float32 FMA {fma / 1e9:F0} GFLOP/s", Faint, "end");
        }
        double start = Math.Max(Math.Pow(10, _axes.FirstX), Math.Pow(10, _axes.FirstY) / bytes);
        double at = start * Math.Pow(flops / bytes / start, 0.72);
        double slope = Math.Atan2(
            _axes.Y(at * bytes) - _axes.Y(at * bytes * 10), _axes.X(at * 10) - _axes.X(at));
        _page.Text(
            _axes.X(at), _axes.Y(at * bytes) - 10, $"reads {bytes / 1e9:F1} GB/s", Ink, "middle",
            isBold: true, degrees: -slope * 180 / Math.PI);
    }

    private void Point(KernelRow row)
    {
        double x = _axes.X(row.Intensity), y = _axes.Y(row.FlopsPerSecond);
        string title = $"{row.Op} {row.Name}: {row.Phase}, batch {row.Batch}, {row.Tokens} rows, context "
            + $"{row.Context}: {row.Seconds * 1e6:F1} us, {row.FlopsPerSecond / 1e9:F1} GFLOP/s, "
            + $"{row.BytesPerSecond / 1e9:F1} GB/s, {row.ShareOfLimit * 100:F0}% of the {row.BoundBy} limit";
        (string, string)[] look =
        [
            ("class", "point"), ("fill", Colours[row.Op]), ("fill-opacity", "0.75"), ("stroke", "#ffffff"),
            ("stroke-width", "0.7"),
        ];
        if (row.Phase == "prefill")
        {
            _page.ElementWithTitle(
                title, "circle", [("cx", SvgPage.N(x)), ("cy", SvgPage.N(y)), ("r", "4.5"), .. look]);
            return;
        }
        _page.ElementWithTitle(
            title, "rect",
            [("x", SvgPage.N(x - 4)), ("y", SvgPage.N(y - 4)), ("width", "8"), ("height", "8"), .. look]);
    }

    private static string Power(int power) => power switch
    {
        >= 0 and <= 4 => $"{Math.Pow(10, power):0}",
        < 0 and >= -3 => Math.Pow(10, power).ToString($"F{-power}"),
        _ => $"1e{power}",
    };
}
