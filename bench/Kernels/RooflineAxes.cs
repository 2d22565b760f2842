namespace PdEngine.Bench;

/// <summary>Two logarithmic axes, the same for every panel, over whole powers of ten.</summary>
internal sealed class RooflineAxes
{
    private const int LeftSpace = 64, RightSpace = 24, TopSpace = 34, BottomSpace = 52;
    private readonly int _width;
    private readonly int _height;

    private RooflineAxes(int width, int height, (int First, int Last) x, (int First, int Last) y)
    {
        (_width, _height) = (width, height);
        (FirstX, LastX) = x;
        (FirstY, LastY) = y;
    }

    /// <summary>Powers of ten of FLOP a byte.</summary>
    public int FirstX { get; }

    public int LastX { get; }

    /// <summary>Powers of ten of FLOP/s.</summary>
    public int FirstY { get; }

    public int LastY { get; }

    public double Left { get; private set; }

    public double Top { get; private set; }

    public double Right => Left + _width - LeftSpace - RightSpace;

    public double Bottom => Top + _height - TopSpace - BottomSpace;

    /// <summary>Axes that hold all rows and their limits.</summary>
    public static RooflineAxes Of(IReadOnlyList<KernelRow> rows, int panelWidth, int panelHeight)
    {
        double ridge = rows.Max(row => row.Limits.FlopsPerSecond / row.Limits.BytesPerSecond);
        (int, int) x = Powers(
            rows.Min(row => row.Intensity), Math.Max(ridge * 2, rows.Max(row => row.Intensity)));
        double top = rows.Max(row => Math.Max(
            row.FlopsPerSecond, Math.Max(row.Limits.FlopsPerSecond, row.Limits.FmaFlopsPerSecond)));
        return new(panelWidth, panelHeight, x, Powers(rows.Min(row => row.FlopsPerSecond), top * 1.3));
    }

    /// <summary>Puts the panel's upper left corner somewhere.</summary>
    public void MoveTo(double x, double y) => (Left, Top) = (x + LeftSpace, y + TopSpace);

    public double X(double value) => Left + (Share(value, FirstX, LastX) * (Right - Left));

    public double Y(double value) => Bottom - (Share(value, FirstY, LastY) * (Bottom - Top));

    private static double Share(double value, int first, int last) =>
        (Math.Log10(value) - first) / (last - first);

    private static (int First, int Last) Powers(double least, double most) =>
        ((int)Math.Floor(Math.Log10(least)), (int)Math.Ceiling(Math.Log10(most)));
}
