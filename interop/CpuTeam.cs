using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>Owns a native thread team: its threads end when it is disposed.</summary>
internal sealed unsafe class CpuTeam : SafeHandle
{
    public CpuTeam()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    public nint Address => handle;

    /// <summary>Starts the threads beside the caller's; core -1 leaves a thread free.</summary>
    internal static CpuTeam Create(ReadOnlySpan<int> cores)
    {
        nint made = 0;
        fixed (int* first = cores)
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_team_create(first, cores.Length, &made));
        CpuTeam team = new();
        team.SetHandle(made);
        return team;
    }

    protected override bool ReleaseHandle()
    {
        CpuNative.pd_cpu_team_destroy(handle);
        return true;
    }
}
