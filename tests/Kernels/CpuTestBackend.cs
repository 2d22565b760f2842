namespace PdEngine.Tests;

/// <summary>CPU backends and seeded operands; an absent instruction set skips the test.</summary>
internal static class CpuTestBackend
{
    public static CpuBackend Create(CpuIsa isa, int threadCount = 2)
    {
        if (CpuIsaSupport.WhyNot(isa) is { } reason)
            Assert.Ignore(reason);
        return CpuDevices.Open(new CpuBackendOptions { Isa = isa, ThreadCount = threadCount })[0];
    }

    public static bool RoundsInputs(CpuIsa isa) =>
        isa is CpuIsa.Amx or CpuIsa.AmxEmulated or CpuIsa.Avx512Bf16;

    /// <summary>Values of a weight's magnitude, uniform in (-scale, scale).</summary>
    public static float[] Values(int seed, int count, float scale = 1)
    {
        Random random = new(seed);
        float[] values = new float[count];
        for (int index = 0; index < count; index++)
            values[index] = ((random.NextSingle() * 2) - 1) * scale;
        return values;
    }

    public static Tensor Rows(ReadOnlySpan<float> values, int rows, int columns)
    {
        Tensor tensor = new(Math.Max(rows, 1), columns);
        tensor.SetRows(rows);
        for (int row = 0; row < rows; row++)
            values.Slice(row * columns, columns).CopyTo(tensor.Row(row));
        return tensor;
    }

    public static Tensor Row(ReadOnlySpan<float> values) => Rows(values, 1, values.Length);

    /// <summary>Nearest bf16, ties to even, widened again; by arithmetic on doubles, not on bits.</summary>
    public static float ToBFloat16(float value)
    {
        if (value == 0 || !float.IsFinite(value))
            return value;
        double unit = Math.ScaleB(1, Math.Max(Math.ILogB(value), -126) - 7);
        return (float)(Math.Round(value / unit, MidpointRounding.ToEven) * unit);
    }

    public static float[] ToBFloat16(float[] values) => Array.ConvertAll(values, ToBFloat16);
}
