using System.Buffers;
using System.Text;

namespace PdEngine;

/// <summary>
/// Ids to text as they come. What has been returned never changes and never ends inside a code point; all of
/// it
/// together is what <see cref="Tokenizer.Decode"/> returns for all ids. Not for several threads at once.
/// </summary>
public sealed class TokenDecoder
{
    private const int MaxIncompleteBytes = 3;

    private readonly TokenBytes _tokens;
    private readonly bool _skipSpecialTokens;
    private readonly ByteBuffer _ready = new();
    private readonly ByteBuffer _loneBytes = new();
    private int _spacesToDrop;
    private bool _isFirst = true;

    /// <summary>Starts a text.</summary>
    /// <param name="tokenizer">Whose ids these are.</param>
    /// <param name="skipSpecialTokens">Whether special tokens, such as an end of text, are left out.</param>
    public TokenDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokens = tokenizer.Bytes;
        _skipSpecialTokens = skipSpecialTokens;
        _spacesToDrop = _tokens.Rules.LeadingSpacesDropped;
    }

    private TokenDecoder(TokenDecoder source)
    {
        _tokens = source._tokens;
        _skipSpecialTokens = source._skipSpecialTokens;
        _spacesToDrop = source._spacesToDrop;
        _isFirst = source._isFirst;
        _ready.Add(source._ready.Written);
        _loneBytes.Add(source._loneBytes.Written);
    }

    /// <summary>A decoder of its own that goes on from here.</summary>
    public TokenDecoder Fork() => new(this);

    /// <summary>
    /// Takes one id and returns the text that is settled by it; often empty. Unknown ids are dropped.
    /// </summary>
    /// <param name="id">A token id.</param>
    public string Append(int id) => Append([id]);

    /// <summary>Takes ids and returns the text that is settled by them. Unknown ids are dropped.</summary>
    /// <param name="ids">Token ids.</param>
    public string Append(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
            Take(id);
        return Emit(IncompleteTail(_ready.Written));
    }

    /// <summary>
    /// Ends the text: returns what was held back, U+FFFD for what never became whole, and starts anew.
    /// </summary>
    public string Flush()
    {
        SettleLoneBytes();
        string text = Emit(heldBytes: 0);
        _spacesToDrop = _tokens.Rules.LeadingSpacesDropped;
        _isFirst = true;
        return text;
    }

    private void Take(int id)
    {
        if (!_tokens.IsKnown(id) || (_skipSpecialTokens && _tokens.IsSpecial(id)))
            return;
        if (_tokens.IsLoneByte(id))
        {
            _loneBytes.Add(_tokens.Of(id));
        }
        else
        {
            SettleLoneBytes();
            if (_isFirst)
                _tokens.WriteFirst(id, _ready);
            else
                _ready.Add(_tokens.Of(id));
        }
        _isFirst = false;
    }

    // A later byte can still spoil the whole run, so none of it is shown before the run ends.
    private void SettleLoneBytes()
    {
        ReadOnlySpan<byte> run = _loneBytes.Written;
        if (run.IsEmpty)
            return;
        if (System.Text.Unicode.Utf8.IsValid(run))
        {
            _ready.Add(run);
        }
        else
        {
            for (int count = 0; count < run.Length; count++)
                _ready.Add("\uFFFD"u8);
        }
        _loneBytes.Clear();
    }

    private string Emit(int heldBytes)
    {
        ReadOnlySpan<byte> ready = _ready.Written;
        string text = Encoding.UTF8.GetString(ready[..^heldBytes]);
        Span<byte> held = stackalloc byte[MaxIncompleteBytes];
        ready[^heldBytes..].CopyTo(held);
        _ready.Clear();
        _ready.Add(held[..heldBytes]);
        return DropLeadingSpaces(text);
    }

    private string DropLeadingSpaces(string text)
    {
        int dropped = 0;
        while (_spacesToDrop > 0 && dropped < text.Length)
        {
            if (text[dropped] != ' ')
            {
                _spacesToDrop = 0;
                break;
            }
            dropped++;
            _spacesToDrop--;
        }
        return text[dropped..];
    }

    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int length = Math.Min(MaxIncompleteBytes, bytes.Length); length > 0; length--)
        {
            if (Rune.DecodeFromUtf8(bytes[^length..], out _, out _) == OperationStatus.NeedMoreData)
                return length;
        }
        return 0;
    }
}
