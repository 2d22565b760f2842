namespace PdEngine.Examples;

/// <summary>An episode played to its end.</summary>
/// <param name="Sequence">Its tokens, with the log-probs that they were drawn with.</param>
/// <param name="Reward">What the environment gave.</param>
/// <param name="Turns">Responses made.</param>
/// <param name="Succeeded">Whether the task was done.</param>
internal sealed record PlayedEpisode(TrainingSequence Sequence, float Reward, int Turns, bool Succeeded);

/// <summary>Whoever plays episodes with given weights.</summary>
internal interface IPlayer : IDisposable
{
    /// <summary>Takes weights in; the next episodes are played with them.</summary>
    void Load(ICheckpoint weights);

    /// <summary>Plays episodes to their end, in the order given.</summary>
    /// <param name="episodes">Fresh ones.</param>
    /// <param name="temperature">Of the draws; 0 is greedy.</param>
    /// <param name="seed">Of the draws.</param>
    IReadOnlyList<PlayedEpisode> Play(IReadOnlyList<IEpisode> episodes, float temperature, ulong seed);
}

/// <summary>
/// Plays all episodes in step on the engine's own forward pass and sampler, without the engine around them:
/// no scheduler, no cache of prefixes.
/// </summary>
internal sealed class LocalPlayer : IPlayer
{
    /// <summary>Most episodes of a call.</summary>
    public const int MaxEpisodes = 512;

    private const int PageSize = 64;
    private const int PassTokens = 2048;
    private const int MaxAnswerTokens = 64;

    private readonly IBackend _backend;
    private readonly ModelConfig _config;
    private readonly KvStore _store;
    private readonly int _episodeBlocks;
    private readonly AttentionBatch _batch = new();
    private readonly SampleBatch _samples = new();
    private readonly List<Seat> _pass = [];
    private readonly List<int> _tokens = [];
    private ModelWeights? _weights;
    private Transformer? _transformer;

    /// <param name="backend">Computes; not owned.</param>
    /// <param name="config">Of the model.</param>
    public LocalPlayer(IBackend backend, ModelConfig config)
    {
        (_backend, _config) = (backend, config);
        KvLayout layout = KvLayout.GroupedQuery(
            config.LayerCount, PageSize, config.KvHeadCount, config.HeadDim, backend.KvElement);
        _episodeBlocks = layout.BlocksFor(config.MaxPositions);
        _store = backend.CreateKvStore(layout, MaxEpisodes * _episodeBlocks);
    }

    public void Load(ICheckpoint weights)
    {
        ModelWeights loaded = ModelWeights.Load(weights, _backend);
        KvRankHeads heads = new(_store, 0, _config.KvHeadCount);
        Transformer transformer = new(_backend, loaded, heads, PassTokens, null);
        _transformer?.Dispose();
        _weights?.Dispose();
        (_weights, _transformer) = (loaded, transformer);
    }

    public IReadOnlyList<PlayedEpisode> Play(
        IReadOnlyList<IEpisode> episodes, float temperature, ulong seed)
    {
        Check.That(episodes.Count <= MaxEpisodes);
        List<Seat> seats = [];
        for (int index = 0; index < episodes.Count; index++)
            seats.Add(new(episodes[index], index, _episodeBlocks, Mix(seed, index)));
        List<Seat> playing = [.. seats];
        while (playing.Count > 0)
        {
            for (int first = 0; first < playing.Count;)
                first = Advance(playing, first, temperature);
            playing.RemoveAll(seat => seat.IsDone);
        }
        _backend.Rest();
        return seats.ConvertAll(seat => seat.Played());
    }

    public void Dispose()
    {
        _transformer?.Dispose();
        _weights?.Dispose();
        _store.Dispose();
    }

    // One pass over as many seats as fit: each gains a token.
    private int Advance(List<Seat> playing, int first, float temperature)
    {
        Transformer transformer = _transformer ?? throw new InvariantException("no weights are loaded");
        _batch.Clear();
        _pass.Clear();
        _tokens.Clear();
        int next = first;
        for (; next < playing.Count; next++)
        {
            Seat seat = playing[next];
            int count = seat.Transcript.TokenCount - seat.ComputedCount;
            if (_tokens.Count + count > PassTokens)
                break;
            _batch.Add(_tokens.Count, seat.ComputedCount, count, seat.Blocks);
            for (int position = seat.ComputedCount; position < seat.Transcript.TokenCount; position++)
                _tokens.Add(seat.Transcript.Tokens[position]);
            seat.LastToken = _tokens.Count - 1;
            _pass.Add(seat);
        }
        Check.That(next > first);
        transformer.Run([.. _tokens], _batch);
        for (int at = 0; at < _pass.Count; at += Transformer.LogitsRowCapacity)
            Draw(transformer, at, Math.Min(Transformer.LogitsRowCapacity, _pass.Count - at), temperature);
        return next;
    }

    private void Draw(Transformer transformer, int first, int count, float temperature)
    {
        int[] rows = new int[count];
        _samples.Clear();
        for (int index = 0; index < count; index++)
        {
            Seat seat = _pass[first + index];
            rows[index] = seat.LastToken;
            SampleRow row = PackedSequences.ScoreRow(temperature);
            (row.LogitsRow, row.Position, row.Target) = (index, seat.Transcript.TokenCount, -1);
            row.Seed = seat.Seed;
            _samples.AddRow(row);
        }
        _backend.Sample(transformer.Logits(rows), 0, _samples, 0, count);
        for (int index = 0; index < count; index++)
        {
            SampleResult drawn = _samples.Results[index];
            _pass[first + index].Take(drawn.Token, drawn.LogProb, _config.MaxPositions);
        }
    }

    private static ulong Mix(ulong seed, int index)
    {
        ulong value = seed + ((ulong)(index + 1) * 0x9E3779B97F4A7C15);
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>One episode being played.</summary>
    private sealed class Seat
    {
        private readonly IEpisode _episode;
        private int _answerTokens;
        private float _reward;

        public Seat(IEpisode episode, int index, int blockCount, ulong seed)
        {
            _episode = episode;
            Seed = seed;
            Blocks = new int[blockCount];
            for (int block = 0; block < blockCount; block++)
                Blocks[block] = (index * blockCount) + block;
            Transcript.Observe(episode.Prompt);
        }

        public Transcript Transcript { get; } = new();

        public int[] Blocks { get; }

        public ulong Seed { get; }

        /// <summary>Tokens whose K and V are in the store.</summary>
        public int ComputedCount { get; private set; }

        /// <summary>Index in the pass of the token that the draw follows.</summary>
        public int LastToken { get; set; }

        public bool IsDone { get; private set; }

        public void Take(int token, float logProb, int maxTokens)
        {
            ComputedCount = Transcript.TokenCount;
            Transcript.Answer(token, logProb);
            _answerTokens++;
            bool hasRoom = _answerTokens < MaxAnswerTokens && Transcript.TokenCount < maxTokens;
            if (token != Vocabulary.End && hasRoom)
                return;
            TurnOutcome outcome = _episode.Respond(Transcript.Last(_answerTokens));
            _answerTokens = 0;
            _reward = outcome.Reward;
            IsDone = outcome.IsDone || Transcript.TokenCount + outcome.Observation.Count >= maxTokens;
            if (!IsDone)
                Transcript.Observe(outcome.Observation);
        }

        public PlayedEpisode Played() =>
            new(Transcript.ToSequence(), _reward, _episode.Turns, _episode.Succeeded);
    }
}
