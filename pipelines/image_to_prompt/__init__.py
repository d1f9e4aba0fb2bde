"""Image → prompt: which words would make this picture?"""
