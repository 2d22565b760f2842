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

    public SamplingParams Read(ParseResult parsed, ulong? seed) => new()
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

    private static Option<float> Number(string name, float absent, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => absent, HelpName = "X" };

    private static Option<int> Count(string name, int absent, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => absent, HelpName = "N" };
}
