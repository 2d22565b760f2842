using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>A team of a crew: what the ops of one device are called on.</summary>
internal sealed class CpuTeam : SafeHandle
{
    private readonly CpuCrew _crew;

    private CpuTeam(CpuCrew crew)
        : base(0, ownsHandle: true) =>
        _crew = crew;

    public override bool IsInvalid => handle == 0;

    public nint Address => handle;

    /// <summary>Tiles of this team's ops that other teams' cores have computed; any thread may ask.</summary>
    public long LentTiles
    {
        get
        {
            bool held = false;
            try
            {
                DangerousAddRef(ref held);
                return CpuNative.pd_cpu_team_lent_tiles(handle);
            }
            finally
            {
                if (held)
                    DangerousRelease();
            }
        }
    }

    /// <summary>A team that is alone in its crew; core -1 leaves a thread free.</summary>
    internal static CpuTeam Create(ReadOnlySpan<int> cores)
    {
        using CpuCrew crew = CpuCrew.Create(cores, [new CoreRun(0, cores.Length)], lends: false);
        return Of(crew, 0);
    }

    /// <summary>A team of free threads, alone in its crew.</summary>
    internal static CpuTeam Create(int threadCount)
    {
        int[] cores = new int[threadCount];
        Array.Fill(cores, -1);
        return Create(cores);
    }

    /// <summary>A team of the crew, which it keeps alive.</summary>
    internal static CpuTeam Of(CpuCrew crew, int index)
    {
        CpuTeam team = new(crew);
        bool held = false;
        crew.DangerousAddRef(ref held);
        team.SetHandle(crew.TeamAddress(index));
        if (team.IsInvalid)
        {
            crew.DangerousRelease();
            throw new ArgumentOutOfRangeException(nameof(index), index, "The crew has no such team.");
        }
        return team;
    }

    /// <summary>See <c>pd_cpu_team_rest</c>; called by the thread that calls the ops.</summary>
    internal void Rest() => CpuNative.pd_cpu_team_rest(handle);

    protected override bool ReleaseHandle()
    {
        _crew.DangerousRelease();
        return true;
    }
}
