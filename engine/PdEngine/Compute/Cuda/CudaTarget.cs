namespace PdEngine;

/// <summary>What images are compiled for: sm_80, sm_90a (cubins), compute_80 (PTX).</summary>
/// <param name="Name">As a compiler takes it.</param>
/// <param name="Capability">Compute capability, 90 for 9.0.</param>
/// <param name="IsVirtual">PTX.</param>
/// <param name="IsExact">For that capability alone.</param>
internal sealed record CudaTarget(string Name, int Capability, bool IsVirtual, bool IsExact)
{
    private const string Real = "sm_";
    private const string Virtual = "compute_";

    /// <summary>Of its images' files.</summary>
    public string Extension => IsVirtual ? ".ptx.br" : ".cubin.br";

    /// <summary>Null where it is not one.</summary>
    public static CudaTarget? Parse(string name)
    {
        bool isVirtual = name.StartsWith(Virtual, StringComparison.Ordinal);
        if (!isVirtual && !name.StartsWith(Real, StringComparison.Ordinal))
            return null;
        ReadOnlySpan<char> number = name.AsSpan(isVirtual ? Virtual.Length : Real.Length);
        bool isExact = number.EndsWith("a");
        return int.TryParse(isExact ? number[..^1] : number, out int capability)
            ? new(name, capability, isVirtual, isExact)
            : null;
    }

    /// <summary>Whether a GPU takes its images; machine code is for one generation, from there on.</summary>
    public bool RunsOn(int capability) =>
        capability == Capability
        || (!IsExact && capability > Capability && (IsVirtual || capability / 10 == Capability / 10));
}
