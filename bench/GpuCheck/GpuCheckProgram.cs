using System.Globalization;

namespace PdEngine.Bench;

/// <summary>The command <c>gpu-check</c>.</summary>
internal static class GpuCheckProgram
{
    public const int Fine = 0, Failed = 1, Refused = 2, Unfinished = 3;

    private const string Usage = """
        gpu-check [verify] [kernels] [model] [all] [flags]
          --out FOLDER      where gpu-check.json goes; absent: $OUT, else the current folder
          --resume FOLDER   has an earlier gpu-check.json to go on from; absent: the same folder
          --only TEXT,TEXT  rows whose names have one of these alone
          --again           rows that failed before are computed anew
          --minutes N       a stage begins no row after so long (6)
          --gpu N           which GPU, as the driver counts (0)
          --driver FILE     the CUDA driver; absent: the system's own
          --cublaslt FILE   absent: the system's own, CUDA's, or that of the PyTorch of python3
          --nccl FILE       likewise
          --python FILE     the Python that may have PyTorch; absent: python3
          --images FOLDER   images of the kernels; absent: cuda-images beside the binary, then those inside
          --no-peers        neither PyTorch nor compute-sanitizer
          --toy             toy sizes: says that it runs, not how fast
        ends with 0 where all is well, 1 where a row failed, 2 where nothing can be run, 3 where rows are left
        """;

    public static int Main(string[] arguments)
    {
        try
        {
            CheckSettings? settings = Parse(arguments, Environment.GetEnvironmentVariable("OUT"));
            if (settings is not null)
                return Run(settings, Console.Out, Console.Error);
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
        CheckRig rig;
        try
        {
            rig = CheckRig.Open(settings);
        }
        catch (BackendException refused)
        {
            error.WriteLine(refused.Message);
            return Refused;
        }
        using (rig)
        {
            CheckJournal journal = new(
                settings.OutFolder, settings.ResumeFolder ?? settings.OutFolder, rig.Header);
            foreach ((string name, string value) in rig.Header)
                output.WriteLine($"{name}: {value}");
            CheckRun run = new(settings, journal, rig.IsUsable, output);
            foreach (string name in settings.Stages)
                run.Run(StageOf(name, rig, journal, settings));
            run.Conclude();
            if (journal.FailedRows.Any())
                return Failed;
            return run.IsComplete ? Fine : Unfinished;
        }
    }

    /// <summary>Null where help is asked for.</summary>
    /// <exception cref="OptionsException">There is no such stage or flag.</exception>
    internal static CheckSettings? Parse(IReadOnlyList<string> arguments, string? outFolder)
    {
        List<string> stages = [];
        CheckSettings settings = new() { Stages = stages, OutFolder = outFolder ?? "." };
        for (int at = 0; at < arguments.Count; at++)
        {
            string argument = arguments[at];
            if (argument is "--help" or "-h")
                return null;
            string Value() => at + 1 < arguments.Count
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
                "--minutes" => settings with { StageTime = TimeSpan.FromMinutes(Number(argument, Value())) },
                "--gpu" => settings with { Gpu = (int)Number(argument, Value()) },
                "--driver" => settings with { DriverPath = Value() },
                "--cublaslt" => settings with { CublasPath = Value() },
                "--nccl" => settings with { NcclPath = Value() },
                "--python" => settings with { Python = Value() },
                "--images" => settings with { ImagesFolder = Value() },
                "--no-peers" => settings with { RunsPeers = false },
                "--toy" => settings with { Scale = CheckScale.Toy },
                _ => throw new OptionsException(argument, "there is no such stage or flag; see --help"),
            };
        }
        return stages.Count > 0 ? settings : null;
    }

    private static CheckSettings With(CheckSettings settings, List<string> stages, params string[] more)
    {
        stages.AddRange(more.Where(stage => !stages.Contains(stage)));
        return settings;
    }

    private static double Number(string flag, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
        && value >= 0
            ? value
            : throw new OptionsException(flag, $"'{text}' is no number from 0 on");

    private static ICheckStage StageOf(
        string name, CheckRig rig, CheckJournal journal, CheckSettings settings) => name switch
        {
            "verify" => new VerifyStage(rig, settings),
            "kernels" => new KernelStage(rig, journal, settings),
            _ => new ModelStage(rig, journal, settings),
        };
}
