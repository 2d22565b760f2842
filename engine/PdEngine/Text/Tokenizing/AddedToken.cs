namespace PdEngine;

/// <summary>A token that is cut out of the text before the model sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">What it looks like, in UTF-8.</param>
/// <param name="StripsLeft">Whether it swallows whitespace before it.</param>
/// <param name="StripsRight">Whether it swallows whitespace behind it.</param>
/// <param name="SingleWord">Whether a word character beside it makes it plain text.</param>
/// <param name="Normalized">Whether it is looked for after normalization instead of before.</param>
/// <param name="Special">Whether decoding may leave it out.</param>
internal sealed record AddedToken(
    int Id, byte[] Content, bool StripsLeft, bool StripsRight, bool SingleWord, bool Normalized,
    bool Special);
