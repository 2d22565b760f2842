namespace PdEngine.Bench;

/// <summary>Cases that share their memory.</summary>
internal sealed class KernelGroup(IReadOnlyList<KernelCase> cases, IReadOnlyList<IDisposable> owned)
    : IDisposable
{
    /// <summary>Memory that is gone round, so that no cache holds it: several times the largest.</summary>
    public const long RotatedBytes = 128 << 20;

    public IReadOnlyList<KernelCase> Cases { get; } = cases;

    /// <summary>Copies of something of so many bytes that make up <see cref="RotatedBytes"/>.</summary>
    public static int CopiesOf(double bytes, int most) =>
        (int)Math.Clamp(Math.Ceiling(RotatedBytes / bytes), 1, most);

    public void Dispose()
    {
        foreach (IDisposable each in owned)
            each.Dispose();
    }
}
