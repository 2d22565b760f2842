namespace PdEngine;

/// <summary>
/// Positions that a slice picks: <paramref name="Count"/> of them from <paramref name="Start"/>.
/// </summary>
internal readonly record struct JinjaRange(int Start, int Step, int Count)
{
    /// <summary>
    /// Resolves <c>[start:stop:step]</c> on <paramref name="length"/> items by Python's rules.
    /// </summary>
    public static JinjaRange Resolve(int length, int? start, int? stop, int? step)
    {
        long by = step ?? 1;
        if (by == 0)
            throw new JinjaException("slice step cannot be zero");
        long first = Clamp(start, length, by, whenAbsent: by > 0 ? 0 : length - 1);
        long end = Clamp(stop, length, by, whenAbsent: by > 0 ? length : -1);
        long count = by > 0 ? (end - first + by - 1) / by : (first - end - by - 1) / -by;
        return count <= 0 ? new JinjaRange(0, 1, 0) : new JinjaRange((int)first, (int)by, (int)count);
    }

    private static long Clamp(int? bound, int length, long step, long whenAbsent)
    {
        if (bound is not { } value)
            return whenAbsent;
        long index = value < 0 ? value + (long)length : value;
        return step > 0 ? Math.Clamp(index, 0, length) : Math.Clamp(index, -1, length - 1);
    }
}
