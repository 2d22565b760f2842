using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>The command <c>gpu-check</c>.</summary>
internal static class GpuCheckProgram
{
    private const int MostMinutes = 100_000;

    public const int Fine = 0, Failed = 1, Refused = 2, Unfinished = 3, Lost = 4;

    private const string Usage = """
        gpu-check [verify] [kernels] [model] [all] [flags]
          --out FOLDER      where gpu-check.json goes; absent: $OUT, else the current folder
          --resume FOLDER   has an earlier gpu-check.json to go on from; absent: the same folder
          --only TEXT,TEXT  rows whose names have one of these alone, in capitals or not
          --again           rows that failed before are computed anew
          --minutes N       all of it ends by then (9, of one stage 8): no row begins that would pass it
          --gpu N           which GPU, as the driver counts (0)
          --driver FILE     the CUDA driver; absent: the system's own
          --cublaslt FILE   absent: the system's own, CUDA's, or that of the PyTorch of python3
          --nccl FILE       likewise
          --python FILE     the Python that may have PyTorch; absent: python3
          --images FOLDER   images of the kernels; absent: cuda-images beside the binary, then those inside
          --no-peers        neither PyTorch nor compute-sanitizer
          --toy             toy sizes: says that it runs, not how fast
          --alone           in this process alone: no other goes on where the GPU is lost
        ends with 0 where all is well, 1 where a row failed and all else is done, 2 where nothing can be run,
        3 where rows are left, 4 where the GPU was lost: run it again, it goes on behind that row, unless it
        says that it ended outside of a row
        """;

    public static int Main(string[] arguments)
    {
        try
        {
            CheckSettings? settings = Parse(arguments, Environment.GetEnvironmentVariable("OUT"));
            if (settings is not null)
            {
                return settings.IsAlone || !CheckLoop.CanStart
                    ? Run(settings, Console.Out, Console.Error)
                    : CheckLoop.RunSelf(settings, arguments, Console.Out);
            }
            Console.Out.WriteLine(Usage);
            return Fine;
        }
        catch (OptionsException wrong)
        {
            Console.Error.WriteLine(wrong.Message);
            return Refused;
        }
    }

    /// <summary>Runs the stages that are asked for.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(CheckSettings settings, TextWriter output, TextWriter error)
    {
        CheckBudget budget = new(settings.TimeOrUsual, settings.Stages.Count, TimeProvider.System);
        try
        {
            settings.Check();
            using CheckRig rig = CheckRig.Open(settings);
            return Run(settings, rig, budget, output);
        }
        catch (Exception refused) when (
            refused is BackendException or OptionsException or IOException or UnauthorizedAccessException)
        {
            string of = refused is IOException or UnauthorizedAccessException
                ? $"the report in --out {settings.OutFolder} cannot be written: " : "";
            error.WriteLine($"{of}{refused.Message.ReplaceLineEndings(" ")}");
            return Refused;
        }
    }

    private static int Run(CheckSettings settings, CheckRig rig, CheckBudget budget, TextWriter output)
    {
        CheckJournal journal = new(settings.OutFolder, settings.ResumeFolder, rig.Header);
        ICheckStage[] stages = [.. settings.Stages.Select(name => StageOf(name, rig, journal, settings))];
        string[] rows = [.. stages.SelectMany(stage => stage.Cases()).Select(one => one.Name).Distinct()];
        settings.CheckNames(rows);
        // Nothing is refused from here on: reports may be moved.
        journal.Begin();
        if (settings.RunsFailedAgain)
        {
            journal.Drop(rows.Where(
                row => settings.Includes(row)
                    && journal.StatusOf(row) is CheckStatus.Failed or CheckStatus.Begun));
        }
        if (journal.PutAside is { } aside)
            output.WriteLine(aside);
        if (settings.ImagesFolder is { } images)
            output.WriteLine(CheckImages.Check(images));
        foreach ((string name, string value) in rig.Header)
            output.WriteLine($"{name}: {value}");
        CheckRun run = new(settings, journal, budget, rig.IsUsable, EndProcess, output);
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            run.Stop($"{context.Signal} came");
        }
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        foreach (ICheckStage stage in stages)
        {
            run.Run(stage);
            if (run.IsBroken)
                break;
            if (stage != stages[^1])
                run.Conclude();
        }
        run.Conclude();
        if (run.IsBroken)
            return Lost;
        if (!run.IsComplete)
            return Unfinished;
        return journal.FailedRows.Any() ? Failed : Fine;
    }

    /// <summary>Nothing brings back a thread that waits for a GPU which is stuck.</summary>
    private static void EndProcess()
    {
        using Process self = Process.GetCurrentProcess();
        self.Kill();
    }

    /// <summary>Null where help is asked for.</summary>
    /// <exception cref="OptionsException">There is no such stage or flag.</exception>
    internal static CheckSettings? Parse(IReadOnlyList<string> arguments, string? outFolder)
    {
        List<string> stages = [];
        CheckSettings settings =
            new() { Stages = stages, OutFolder = string.IsNullOrEmpty(outFolder) ? "." : outFolder };
        for (int at = 0; at < arguments.Count; at++)
        {
            string argument = arguments[at];
            if (argument is "--help" or "-h")
                return null;
            string Value() => at + 1 < arguments.Count && arguments[at + 1].Length > 0
                ? arguments[++at]
                : throw new OptionsException(argument, "it takes a value");
            settings = argument switch
            {
                "verify" or "kernels" or "model" => With(settings, stages, argument),
                "all" => With(settings, stages, "verify", "kernels", "model"),
                "--out" => settings with { OutFolder = Value() },
                "--resume" => settings with { ResumeFolder = Value() },
                "--only" => settings with { Only = Value() },
                "--again" => settings with { RunsFailedAgain = true },
                "--minutes" => settings with { Time = TimeSpan.FromMinutes(Minutes(argument, Value())) },
                "--gpu" => settings with { Gpu = Whole(argument, Value()) },
                "--driver" => settings with { DriverPath = Value() },
                "--cublaslt" => settings with { CublasPath = Value() },
                "--nccl" => settings with { NcclPath = Value() },
                "--python" => settings with { Python = Value() },
                "--images" => settings with { ImagesFolder = Value() },
                "--no-peers" => settings with { RunsPeers = false },
                "--toy" => settings with { Scale = CheckScale.Toy },
                "--alone" => settings with { IsAlone = true },
                _ => throw new OptionsException(argument, "there is no such stage or flag; see --help"),
            };
        }
        if (stages.Count == 0 && arguments.Count > 0)
            throw new OptionsException("stage", "none is named: verify, kernels, model or all; see --help");
        return stages.Count > 0 ? settings : null;
    }

    private static CheckSettings With(CheckSettings settings, List<string> stages, params string[] more)
    {
        stages.AddRange(more.Where(stage => !stages.Contains(stage)));
        return settings;
    }

    private static double Minutes(string flag, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
        && value is >= 0 and <= MostMinutes
            ? value
            : throw new OptionsException(flag, $"'{text}' is no number from 0 to {MostMinutes}");

    private static int Whole(string flag, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw new OptionsException(flag, $"'{text}' is no whole number from 0 on");

    private static ICheckStage StageOf(
        string name, CheckRig rig, CheckJournal journal, CheckSettings settings) => name switch
        {
            "verify" => new VerifyStage(rig, journal, settings),
            "kernels" => new KernelStage(rig, journal, settings),
            _ => new ModelStage(rig, journal, settings),
        };
}
