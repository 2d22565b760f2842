using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags of every verb that loads weights.</summary>
/// <param name="splitsByDefault">Without flags that say otherwise, one worker prefills, one decodes.</param>
/// <param name="pageSize">Positions per KV block where no flag says.</param>
internal sealed class EngineFlags(bool splitsByDefault = false, int pageSize = 64)
{
    private readonly PlanFlags _plan = new(splitsByDefault);
    private readonly GpuFlags _gpus = new();

    private readonly Option<string?> _model = new("--model", "-m", "--hf-checkpoint")
    {
        Description = "Hugging Face folder or GGUF file; random:SHAPE makes random weights "
            + $"({string.Join(", ", RandomModel.Shapes)}); of these only tiny has a tokenizer, the others "
            + $"take --input-ids. Absent: {DefaultModel.Name}, the small model inside this command.",
        HelpName = "PATH",
    };

    private readonly Option<string> _backend = new("--backend")
    {
        Description = "auto, cuda, cpu or reference.", DefaultValueFactory = _ => "auto", HelpName = "NAME",
    };

    private readonly Option<string> _isa = new("--isa")
    {
        Description =
            "Instruction set of the CPU backend: auto, amx, amx-emulated, avx512-bf16, avx512 or avx2.",
        DefaultValueFactory = _ => "auto",
        HelpName = "NAME",
    };

    private readonly Option<string> _quantization = new("--quantization")
    {
        Description = "none, or w8a8_int8: weights and activations rounded to int8.",
        DefaultValueFactory = _ => "none",
        HelpName = "NAME",
    };

    private readonly Option<int?> _threads = new("--threads")
    {
        Description = "Cores to compute on; absent: all that the process may use.", HelpName = "N",
    };

    private readonly Option<int> _pageSize = new("--page-size")
    {
        Description = "Positions per KV block, a power of two from 1 to 256.",
        DefaultValueFactory = _ => pageSize,
        HelpName = "N",
    };

    private readonly Option<int?> _maxTotalTokens = new("--max-total-tokens")
    {
        Description = "Most tokens in the KV cache of a worker; absent: a quarter of free memory for all.",
        HelpName = "N",
    };

    private readonly Option<float> _memFraction = new("--mem-fraction-static")
    {
        Description = "Share of free memory for weights and KV cache.",
        DefaultValueFactory = _ => 0.8f,
        HelpName = "F",
    };

    private readonly Option<int> _maxRunning = new("--max-running-requests")
    {
        Description = "Most sequences that a worker computes at once.",
        DefaultValueFactory = _ => 256,
        HelpName = "N",
    };

    private readonly Option<int> _chunk = new("--chunked-prefill-size")
    {
        Description = "Prompt tokens per step.", DefaultValueFactory = _ => 512, HelpName = "N",
    };

    private readonly Option<int?> _context = new("--context-length")
    {
        Description = "Longest sequence in tokens; absent: the checkpoint's.", HelpName = "N",
    };

    private readonly Option<bool> _noRadix =
        new("--disable-radix-cache") { Description = "No prefix cache." };

    private readonly Option<ulong> _seed = new("--seed")
    {
        Description = "Seed of requests that bring none.", DefaultValueFactory = _ => 0, HelpName = "N",
    };

    public void AddTo(Command verb)
    {
        _backend.CompletionSources.Add("auto", "cuda", "cpu", "reference");
        _isa.CompletionSources.Add("auto", "amx", "amx-emulated", "avx512-bf16", "avx512", "avx2");
        _quantization.CompletionSources.Add("none", "w8a8_int8");
        foreach (Option option in new Option[]
        {
            _model, _backend, _isa, _quantization, _threads, _pageSize, _maxTotalTokens,
            _memFraction, _maxRunning, _chunk, _context, _noRadix, _seed,
        })
        {
            verb.Options.Add(option);
        }
        _gpus.AddTo(verb);
        _plan.AddTo(verb);
    }

    public ulong Seed(ParseResult parsed) => parsed.GetValue(_seed);

    /// <summary>
    /// Starts the engine for one prompt; of text only where there is a tokenizer, which of random weights is
    /// known before they are made.
    /// </summary>
    public async Task<(Engine Engine, ServedPlan? Plan)> StartAsync(
        ParseResult parsed, GenerateRequest prompt, CancellationToken cancellation)
    {
        string model = parsed.GetValue(_model) ?? "";
        string shape = model.StartsWith("random:", StringComparison.Ordinal) ? model["random:".Length..] : "";
        if (prompt.InputIds is null && shape != "tiny" && RandomModel.Shapes.Contains(shape))
            throw Unreadable(model);
        (Engine engine, ServedPlan? plan) = await StartAsync(parsed, cancellation).ConfigureAwait(false);
        if (prompt.InputIds is not null || engine.Tokenizer is not null)
            return (engine, plan);
        await engine.DisposeAsync().ConfigureAwait(false);
        throw Unreadable("the checkpoint");
    }

    /// <summary>
    /// Starts the engine that the flags ask for, and says on standard error what it is; the plan is null
    /// where no flag shapes one.
    /// </summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="cancellation">Ends loading early.</param>
    /// <param name="everyService">All services of the plan are started, not the named one alone.</param>
    /// <param name="adjust">Changes what the verb itself has a say in.</param>
    public async Task<(Engine Engine, ServedPlan? Plan)> StartAsync(
        ParseResult parsed, CancellationToken cancellation, bool everyService = false,
        Func<EngineOptions, EngineOptions>? adjust = null)
    {
        int? threads = Threads(parsed);
        ServedPlan? plan = _plan.Resolve(
            parsed, parsed.GetValue(_model), threads ?? Environment.ProcessorCount, Seed(parsed),
            everyService);
        plan?.ShowNotices();
        EngineOptions options = _plan.Join(parsed, Read(parsed, threads, plan), plan, everyService);
        if (options.ModelPath == DefaultModel.Name && parsed.GetValue(_model) is null)
            Console.Error.WriteLine($"no --model: {DefaultModel.Name}, the small model inside this command");
        options = adjust?.Invoke(options) ?? options;
        Engine engine = await LoadAsync(parsed, options, cancellation).ConfigureAwait(false);
        foreach (string notice in engine.Notices)
            Console.Error.WriteLine(notice);
        EngineMetrics metrics = engine.Metrics;
        Console.Error.WriteLine(
            $"{engine.BackendName}, context of {engine.ContextTokens} tokens, KV cache of "
            + $"{(long)metrics.TotalBlocks * metrics.PageSize} tokens");
        if (plan is not null)
            Console.Error.WriteLine(plan);
        return (engine, plan);
    }

    /// <summary>A refusal names the flag where the option has one.</summary>
    private static async Task<Engine> LoadAsync(
        ParseResult parsed, EngineOptions options, CancellationToken cancellation)
    {
        try
        {
            return await Engine.StartAsync(options, cancellation).ConfigureAwait(false);
        }
        catch (OptionsException refusal)
        {
            string flag = $"--{refusal.Option.Replace('_', '-')}";
            if (parsed.CommandResult.Command.Options.All(option => option.Name != flag))
                throw;
            throw new OptionsException(flag, refusal.Message[(refusal.Option.Length + 2)..]);
        }
    }

    private static OptionsException Unreadable(string model) => new("prompt",
        $"{model} has no tokenizer to read text with; give token ids with --input-ids 1,2,3, or a checkpoint "
        + "with a tokenizer");

    private int? Threads(ParseResult parsed)
    {
        int? threads = parsed.GetValue(_threads);
        ThrowIfOverCores(threads);
        return threads;
    }

    /// <exception cref="OptionsException">They are more than the cores that there are.</exception>
    public static void ThrowIfOverCores(int? threads)
    {
        if (threads > Environment.ProcessorCount)
        {
            throw new OptionsException(
                "--threads", $"{threads} are more than the {Environment.ProcessorCount} cores "
                + "that this process may use; threads that share a core wait for each other");
        }
    }

    /// <summary>The engine as the flags ask for it; bad values are <see cref="OptionsException"/>.</summary>
    private EngineOptions Read(ParseResult parsed, int? threads, ServedPlan? plan)
    {
        string model = plan?.Service.ModelPath ?? parsed.GetValue(_model) ?? DefaultModel.Name;
        return _gpus.Join(parsed, new EngineOptions
        {
            ModelPath = RandomModel.Resolve(model, Seed(parsed)),
            MemoryFolders = [DefaultModel.Open()],
            Backend = Choice("--backend", parsed.GetValue(_backend)!, ("auto", BackendKind.Auto),
                ("cuda", BackendKind.Cuda), ("cpu", BackendKind.Cpu), ("reference", BackendKind.Reference)),
            Isa = Choice("--isa", parsed.GetValue(_isa)!, ("auto", CpuIsa.Auto), ("amx", CpuIsa.Amx),
                ("amx-emulated", CpuIsa.AmxEmulated), ("avx512-bf16", CpuIsa.Avx512Bf16),
                ("avx512", CpuIsa.Avx512), ("avx2", CpuIsa.Avx2)),
            Quantization = Choice("--quantization", parsed.GetValue(_quantization)!,
                ("none", Quantization.None), ("w8a8_int8", Quantization.W8A8Int8)),
            ThreadCount = threads,
            PageSize = parsed.GetValue(_pageSize),
            MaxTotalTokens = parsed.GetValue(_maxTotalTokens),
            MemFractionStatic = parsed.GetValue(_memFraction),
            MaxRunningRequests = parsed.GetValue(_maxRunning),
            MaxQueuedRequests = int.MaxValue,
            ChunkedPrefillSize = parsed.GetValue(_chunk),
            ContextLength = parsed.GetValue(_context),
            DisableRadixCache = parsed.GetValue(_noRadix),
            Seed = Seed(parsed),
            Progress = new LoadingLine(),
        });
    }

    /// <summary>The value that a flag's word names; another word is refused with the choices.</summary>
    public static T Choice<T>(string flag, string given, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        List<string> names = [];
        foreach ((string name, T value) in choices)
        {
            if (name == given)
                return value;
            names.Add(name);
        }
        throw new OptionsException(flag, $"'{given}' is none of {string.Join(", ", names)}");
    }
}
