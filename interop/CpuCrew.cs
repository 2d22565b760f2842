using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>
/// Owns the threads of a set of CPU devices. Each of its teams holds it too: the threads end when the last of
/// them all is disposed, in any order.
/// </summary>
internal sealed unsafe class CpuCrew : SafeHandle
{
    public CpuCrew()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Starts the threads.</summary>
    /// <param name="cores">Core of the machine that a thread is held to; -1 leaves it free.</param>
    /// <param name="teams">Each team's run of those cores.</param>
    /// <param name="lends">Whether cores of resting teams compute tiles of other teams' ops.</param>
    internal static CpuCrew Create(ReadOnlySpan<int> cores, ReadOnlySpan<CoreRun> teams, bool lends)
    {
        nint made = 0;
        fixed (int* firstCore = cores)
        fixed (CoreRun* firstTeam = teams)
        {
            CrewArgs args = new()
            {
                Cores = firstCore,
                Teams = firstTeam,
                CoreCount = cores.Length,
                TeamCount = teams.Length,
                Lends = lends ? 1 : 0,
            };
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_crew_create(&args, &made));
        }
        CpuCrew crew = new();
        crew.SetHandle(made);
        return crew;
    }

    /// <summary>Address of a team, by its place in the arguments; 0 if there is none.</summary>
    internal nint TeamAddress(int index) => CpuNative.pd_cpu_crew_team(handle, index);

    protected override bool ReleaseHandle()
    {
        CpuNative.pd_cpu_crew_destroy(handle);
        return true;
    }
}
