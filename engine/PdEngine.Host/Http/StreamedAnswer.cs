using System.Text;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What of a sample has been made so far, written again and again or in parts.</summary>
/// <param name="sample">Whose.</param>
/// <param name="writer">Of the shape.</param>
/// <param name="sendsDeltas">Each part has only what is new.</param>
internal sealed class StreamedAnswer(Sample sample, AnswerWriter writer, bool sendsDeltas)
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _tokens = [];
    private readonly List<TokenLogProb> _logProbs = [];
    private int _tokenCount;
    private int _sentTokens;
    private int _sentLetters;
    private bool _sentPrompt;

    public void Add(TokenChunk chunk)
    {
        _text.Append(chunk.Text);
        _tokens.AddRange(chunk.TokenIds);
        for (int i = 0; i < chunk.LogProbs.Count; i++)
            _logProbs.Add(new(chunk.TokenIds[i], chunk.LogProbs[i], sample.Stream.TopsAt(_tokenCount + i)));
        _tokenCount += chunk.TokenIds.Count;
    }

    /// <summary>Writes it; more is to come.</summary>
    public void Write(Utf8JsonWriter json)
    {
        StreamedPrompt prompt = sample.Stream.Prompt!;
        Generation soFar = new()
        {
            Id = sample.Stream.Id, PromptIds = prompt.Ids, OutputIds = _tokens, Text = _text.ToString(),
            FinishReason = FinishReason.Length, OutputLogProbs = _logProbs,
            CachedTokens = prompt.CachedTokens,
            InputLogProbs = sendsDeltas && _sentPrompt ? [] : prompt.LogProbs,
            WeightVersion = sample.Stream.WeightVersion ?? "",
        };
        Write(json, soFar, isUnfinished: true);
        if (!sendsDeltas)
            return;
        _sentPrompt = true;
        _sentTokens += _tokens.Count;
        _sentLetters += _text.Length;
        _tokens.Clear();
        _logProbs.Clear();
        _text.Clear();
    }

    /// <summary>Writes the whole, or what of it was not sent yet.</summary>
    public void WriteEnd(Utf8JsonWriter json, Generation generation) => Write(
        json,
        !sendsDeltas ? generation : generation with
        {
            Text = generation.Text[Math.Min(_sentLetters, generation.Text.Length)..],
            OutputIds = [.. generation.OutputIds.Skip(_sentTokens)],
            OutputLogProbs = [.. generation.OutputLogProbs.Skip(_sentTokens)],
            InputLogProbs = _sentPrompt ? [] : generation.InputLogProbs,
        },
        isUnfinished: false,
        generation.OutputIds.Count);

    private void Write(Utf8JsonWriter json, Generation generation, bool isUnfinished, int? made = null) =>
        writer.Write(
            json, sample.Body.Id, sample.Name, generation, sample.Body.Request, sample.Body.ReturnText,
            sample.Index, isUnfinished, made ?? _sentTokens + _tokens.Count);
}
