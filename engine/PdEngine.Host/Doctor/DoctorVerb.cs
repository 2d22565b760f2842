using System.CommandLine;

namespace PdEngine.Host;

/// <summary><c>pdengine doctor</c>: what this machine can do, and what is missing.</summary>
internal sealed class DoctorVerb
{
    public const string Name = "doctor";

    private const int ProbeMilliseconds = 100;

    private readonly Option<bool> _quick = new("--quick") { Description = "Measures no limits." };
    private readonly Option<bool> _json = new("--json") { Description = "Prints what it found as JSON." };

    private readonly Option<string?> _driver = new("--cuda-driver")
    {
        Description = "File of the CUDA driver; the system's own if absent.", HelpName = "FILE",
    };

    public static Command Create()
    {
        DoctorVerb verb = new();
        Verb command = new(Name, "Says what this machine can do, and what is missing with what to do.")
        {
            Details = "It looks at instruction sets and which of them is taken, cores, memory, limits as "
                + "measured now, GPUs and their libraries. Exit code 0 where native kernels can compute, "
                + "else 1.",
            Examples = ["pdengine doctor", "pdengine doctor --quick --json"],
        };
        command.Options.Add(verb._quick);
        command.Options.Add(verb._json);
        command.Options.Add(verb._driver);
        command.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return command;
    }

    private int Run(ParseResult parsed)
    {
        int milliseconds = parsed.GetValue(_quick) ? 0 : ProbeMilliseconds;
        Diagnosis diagnosis = Diagnosis.Make(parsed.GetValue(_driver), milliseconds);
        if (parsed.GetValue(_json))
            Console.Out.WriteLine(DiagnosisReport.Json(diagnosis));
        else
            DiagnosisReport.Print(Console.Out, diagnosis);
        return diagnosis.CanCompute ? CommandLine.Done : CommandLine.Failed;
    }
}
