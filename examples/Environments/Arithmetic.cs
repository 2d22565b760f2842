namespace PdEngine.Examples;

/// <summary>One sum or difference of two numbers under 100; right is 1, wrong is 0.</summary>
public sealed class Arithmetic : IEnvironment
{
    private const int Limit = 100;

    /// <inheritdoc/>
    public string Name => "arithmetic";

    /// <inheritdoc/>
    public IEpisode Start(int seed)
    {
        Random random = new(seed);
        (int a, int b) = (random.Next(Limit), random.Next(Limit));
        return random.Next(2) == 0
            ? new Episode($"{a}+{b}=", a + b)
            : new Episode($"{Math.Max(a, b)}-{Math.Min(a, b)}=", Math.Abs(a - b));
    }

    /// <summary>The right answer to an episode of this environment.</summary>
    public static int[] Solve(IEpisode episode) =>
        Vocabulary.Answer(((Episode)episode).Result.ToString());

    private sealed class Episode(string question, int result) : IEpisode
    {
        public int Result => result;

        public IReadOnlyList<int> Prompt { get; } = Vocabulary.Ask(question);

        public int Turns { get; private set; }

        public bool Succeeded { get; private set; }

        public TurnOutcome Respond(ReadOnlySpan<int> response)
        {
            Turns++;
            Succeeded = Vocabulary.Number(response) == result;
            return TurnOutcome.Done(Succeeded ? 1 : 0);
        }
    }
}
