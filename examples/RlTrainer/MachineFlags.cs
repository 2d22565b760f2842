using System.CommandLine;

namespace PdEngine.Examples;

/// <summary>What computes: the flags that every verb has.</summary>
internal sealed class MachineFlags
{
    private const int MostThreads = 1024;

    private readonly Option<int?> _threads = new("--threads")
    {
        Description = "Threads; one for every core if absent.", HelpName = "N",
    };

    private readonly Option<CpuIsa> _isa = new("--isa")
    {
        Description = "Instruction set of the forward pass; weights depend on it, bit for bit.",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_threads);
        command.Options.Add(_isa);
    }

    /// <summary>Of every forward pass, the trainer's and the engine's.</summary>
    public CpuIsa Isa(ParseResult parsed) => parsed.GetValue(_isa);

    /// <summary>Threads of whoever has the machine to himself.</summary>
    /// <exception cref="OptionsException">So many there cannot be.</exception>
    public int ThreadCount(ParseResult parsed)
    {
        int count = parsed.GetValue(_threads) ?? Environment.ProcessorCount;
        FlagRange.Check(_threads.Name, count, 1, MostThreads);
        return count;
    }

    /// <summary>One device on all cores.</summary>
    public CpuBackend Open(ParseResult parsed) => Open(parsed, ThreadCount(parsed));

    /// <summary>One device on the last so many cores: others have the first.</summary>
    public CpuBackend Open(ParseResult parsed, int threadCount)
    {
        IReadOnlyList<int>? cores = HostCores.Allowed();
        return CpuDevices.Open(new CpuBackendOptions
        {
            Isa = Isa(parsed),
            ThreadCount = threadCount,
            Cores = cores?.Count >= threadCount ? [.. cores.TakeLast(threadCount)] : null,
        })[0];
    }
}
