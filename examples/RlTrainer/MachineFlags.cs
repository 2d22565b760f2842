using System.CommandLine;

namespace PdEngine.Examples;

/// <summary>What computes: the flags that every verb has.</summary>
internal sealed class MachineFlags
{
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

    /// <summary>One device on all cores.</summary>
    public CpuBackend Open(ParseResult parsed) =>
        (CpuBackend)Backends.Open(BackendKind.Cpu, parsed.GetValue(_isa), parsed.GetValue(_threads));
}
