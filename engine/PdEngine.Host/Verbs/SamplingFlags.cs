using System.CommandLine;

namespace PdEngine.Host;

/// <summary>
/// The sampling flags of <c>generate</c>; names are SGLang's parameters with dashes.
/// </summary>
/// <param name="maxNewTokens">Most tokens to generate where no flag says.</param>
internal sealed class SamplingFlags(int maxNewTokens = 128)
{
    private readonly Option<float> _temperature = Number("--temperature", 1f, "0 is greedy.");
    private readonly Option<float> _topP =
        Number("--top-p", 1f, "Keeps the most likely tokens up to this mass.");
    private readonly Option<int> _topK = Count("--top-k", -1, "Keeps this many tokens; -1 is all.");
    private readonly Option<float> _minP =
        Number("--min-p", 0f, "Drops tokens below this times the likeliest.");
    private readonly Option<float> _repetition = Number("--repetition-penalty", 1f, "On prompt and output.");
    private readonly Option<float> _frequency =
        Number("--frequency-penalty", 0f, "On output, per occurrence.");
    private readonly Option<float> _presence = Number("--presence-penalty", 0f, "On output, once.");
    private readonly Option<int> _maxNew =
        Count("--max-new-tokens", maxNewTokens, "Most tokens to generate.");
    private readonly Option<int> _minNew = Count("--min-new-tokens", 0, "No stop id before so many.");
    private readonly Option<bool> _ignoreEos =
        new("--ignore-eos") { Description = "Goes on past the end id." };

    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "Ends at this string; may repeat.", HelpName = "TEXT", DefaultValueFactory = _ => [],
    };

    private Option[] All =>
    [
        _temperature, _topP, _topK, _minP, _repetition, _frequency, _presence, _maxNew, _minNew, _ignoreEos,
        _stop,
    ];

    public void AddTo(Command verb)
    {
        foreach (Option option in All)
            verb.Options.Add(option);
    }

    /// <summary>Name of a flag that was given, or null where all are absent.</summary>
    public string? FirstGiven(ParseResult parsed) =>
        All.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false })?.Name;

    /// <exception cref="OptionsException">A value that no model takes: nothing need be loaded.</exception>
    public SamplingParams Read(ParseResult parsed, ulong? seed)
    {
        CheckTemperature(parsed, _temperature);
        Check(parsed, _topP, value => value is > 0 and <= 1, "above 0 and at most 1");
        Check(parsed, _topK, value => value is -1 or >= 1, "-1 (all) or at least 1");
        Check(parsed, _minP, value => value is >= 0 and <= 1, "in 0 to 1");
        Check(parsed, _repetition, value => value > 0 && float.IsFinite(value), "above 0");
        Check(parsed, _frequency, value => value is >= -2 and <= 2, "in -2 to 2");
        Check(parsed, _presence, value => value is >= -2 and <= 2, "in -2 to 2");
        Check(parsed, _maxNew, value => value >= 0, "at least 0");
        int most = parsed.GetValue(_maxNew);
        Check(parsed, _minNew, value => value >= 0 && value <= most, $"in 0 to {_maxNew.Name} ({most})");
        return Taken(parsed, seed);
    }

    public static void CheckTemperature(ParseResult parsed, Option<float> option) =>
        Check(parsed, option, value => value >= 0 && float.IsFinite(value), "at least 0");

    private SamplingParams Taken(ParseResult parsed, ulong? seed) => new()
    {
        Temperature = parsed.GetValue(_temperature),
        TopP = parsed.GetValue(_topP),
        TopK = parsed.GetValue(_topK),
        MinP = parsed.GetValue(_minP),
        RepetitionPenalty = parsed.GetValue(_repetition),
        FrequencyPenalty = parsed.GetValue(_frequency),
        PresencePenalty = parsed.GetValue(_presence),
        MaxNewTokens = parsed.GetValue(_maxNew),
        MinNewTokens = parsed.GetValue(_minNew),
        IgnoreEos = parsed.GetValue(_ignoreEos),
        Stop = parsed.GetValue(_stop) ?? [],
        SamplingSeed = seed,
    };

    private static void Check<T>(ParseResult parsed, Option<T> option, Predicate<T> holds, string allowed)
    {
        T value = parsed.GetValue(option)!;
        if (!holds(value))
            throw new OptionsException(option.Name, $"{value} is not allowed; it must be {allowed}");
    }

    private static Option<float> Number(string name, float absent, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => absent, HelpName = "X" };

    private static Option<int> Count(string name, int absent, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => absent, HelpName = "N" };
}
